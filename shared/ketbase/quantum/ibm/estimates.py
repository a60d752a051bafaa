"""Observables for IBM's `EstimatorV2`, and its answer in our words."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.observables_array import ObservablesArray
from qiskit.quantum_info import PauliList, SparsePauliOp
from qiskit_ibm_runtime.results import QuantumProgramResult
from qiskit_mitigation.utils.utils import load_tasks_from_result

from ketbase.backends.experiments import (
    Estimate,
    ExpectationValue,
    Mitigation,
    Observable,
    ZeroNoiseExtrapolation,
)
from ketbase.quantum.engines import Work
from ketbase.quantum.experiments.extrapolation import NoTrendError, extrapolated
from ketbase.quantum.ibm.merging import merged

type Pub = tuple[QuantumCircuit, list[SparsePauliOp]] | tuple[QuantumCircuit, list[SparsePauliOp], Array]
type Array = NDArray[np.float64]

_NO_TREND = "fallback"
"""What the SDK calls leaving the values at each scale as they are."""
_FEWEST_TWIRLS, _MOST_TWIRLS = 16, 32
"""Random twirls of the readout over which the shots are spread; 32 is IBM's own default."""
_CHUNK = 4_000_000
"""How many parities of readouts are worked on at once: 32 MB."""


def pubs(work: Work) -> list[Pub]:
    """Put all observables on the qubits where the circuits end; a sweep is one circuit with parameters."""
    one = merged(work.circuits)
    if one is not None:
        circuit, values = one
        return [(circuit, _placed(work, circuit), values[:, None])]  # each set with each of the observables
    return [(circuit, _placed(work, circuit)) for circuit in work.circuits]


def options(mitigation: Mitigation, shots: int) -> dict[str, Any]:
    """Say what is done about errors, and nothing else: every default of IBM's that would do more is off.

    With readout mitigation, the readout is twirled at random; the twirls share the shots, so that no circuit gets
    more of them than was asked for.
    """
    chosen: dict[str, Any] = {
        "resilience_level": 0,
        "default_shots": shots,
        "resilience": {"measure_mitigation": mitigation.readout, "zne_mitigation": mitigation.zne is not None},
    }
    if mitigation.readout:
        twirls = _twirls(shots)
        chosen["twirling"] = {"num_randomizations": twirls, "shots_per_randomization": shots // twirls}
    if mitigation.zne is not None:
        chosen["resilience"]["zne"] = {
            "amplifier": "gate_folding",
            "noise_factors": list(mitigation.zne.scales),
            "extrapolator": _NO_TREND,
        }
    return chosen


def expectations(result: QuantumProgramResult, work: Work) -> Iterator[ExpectationValue]:
    """Read an estimator's answer: the SDK says what each term is worth at each scale, all else follows here.

    The raw value comes from the same shots as the others, before anything was corrected: at scale 1, and without
    what the calibration says of the readout. Where readout mitigation is asked for, readout is twirled, so that in
    the raw value too its errors of 0 and of 1 are as large as their mean.

    A term is corrected by the mean parity that its qubits show in the calibration, where all of them should be 0
    (TREX, doi:10.1103/PhysRevA.105.032620); the SDK's own correction takes exp(−2p) for 1 − 2p. The value at no
    noise is read off the trend as for every other engine; the SDK takes its error from how well the few points lie
    on the curve. Standard errors count the calibration's, and take the terms of an observable for independent.
    """
    observables, mitigation = work.experiment.observables, work.experiment.mitigation
    terms = sorted({term for observable in observables for term in observable.terms})
    coefficients = np.array([[each.terms.get(term, 0.0) for term in terms] for each in observables])
    scales = (1,) if mitigation.zne is None else mitigation.zne.scales
    tasks = _narrowed(result, work)
    calibration = _calibration(result) if mitigation.readout else None
    letters = PauliList(terms)
    tables = chain.from_iterable(_of_terms(task, letters, result, len(scales)) for task in tasks)
    for variant, (values, errors) in zip(work.variants, tables, strict=True):
        measured = _Estimates(coefficients @ values, coefficients**2 @ errors**2)
        better = measured if calibration is None else _corrected(coefficients, values, errors, letters, calibration)
        for number, observable in enumerate(observables):
            mitigated, scaled, note = None, None, None
            if mitigation.zne is not None:
                scaled = {scale: better.at(number, place) for place, scale in enumerate(scales)}
                mitigated, note = _at_no_noise(observable, mitigation.zne, list(scaled.values()), work.shots)
            elif mitigation.readout:
                mitigated = better.at(number, 0)
            yield ExpectationValue(
                observable=number,
                parameters=variant.parameters,
                name=observable.name,
                raw=measured.at(number, 0),
                mitigated=mitigated,
                scaled=scaled,
                note=note,
            )


@dataclass(frozen=True, slots=True)
class _Estimates:
    """Values and their variances, each of shape (observables, scales)."""

    values: Array
    variances: Array

    def at(self, observable: int, place: int) -> Estimate:
        value, variance = self.values[observable, place], self.variances[observable, place]
        return Estimate(value=float(value), standard_error=math.sqrt(variance))


def _placed(work: Work, circuit: QuantumCircuit) -> list[SparsePauliOp]:
    operators = (SparsePauliOp.from_list(list(each.terms.items())) for each in work.experiment.observables)
    return [each.apply_layout(circuit.layout, circuit.num_qubits) for each in operators]


def _twirls(shots: int) -> int:
    """Choose a number of twirls that divides the shots, where there is one."""
    dividing = [twirls for twirls in range(_FEWEST_TWIRLS, _MOST_TWIRLS + 1) if shots % twirls == 0]
    return max(dividing, default=min(_MOST_TWIRLS, shots))


def _narrowed(result: QuantumProgramResult, work: Work) -> list[Any]:
    """Leave of a result the circuit's own qubits, in its order: IBM measures all that the machine has."""
    circuit = work.circuits[0]
    qubits = range(circuit.num_qubits) if circuit.layout is None else circuit.layout.final_index_layout()
    for item in result:
        for name in item.keys() & {"_meas", "measurement_flips._meas"}:
            item[name] = item[name][..., list(qubits)]
    tasks: list[Any] = load_tasks_from_result(result)
    for task in tasks:
        task.param_basis_pairs = [
            (tuple(place), "".join(basis[-1 - qubit] for qubit in reversed(qubits)))
            for place, basis in task.param_basis_pairs
        ]
    return tasks


def _of_terms(
    task: Any, terms: PauliList, result: QuantumProgramResult, scales: int
) -> Iterator[tuple[Array, Array]]:
    """Values and standard errors under each set of parameters, uncorrected, each of shape (terms, scales)."""
    task.trex = None
    task.param_shape = tuple(task.param_shape)  # JSON has made a list of it
    task.observables = ObservablesArray(terms.to_labels())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of fits that nobody asks for
        data = task.postprocess(result).data
    names = ("evs", "stds") if scales == 1 else ("evs_noise_factors", "stds_noise_factors")
    values, errors = (np.asarray(data[name], dtype=float).reshape(-1, len(terms), scales) for name in names)
    return zip(values, errors, strict=True)


def _calibration(result: QuantumProgramResult) -> NDArray[np.bool_]:
    """What each qubit was wrongly read as in each shot of the calibration, shape (shots, qubits)."""
    said = result.passthrough_data["qiskit_mitigation"]
    item = result[next(each["program_item_index"] for each in said if each["mitigation"] == "trex")]
    wrong: NDArray[np.bool_] = item["_meas"] ^ item["measurement_flips._meas"]
    return wrong.reshape(-1, wrong.shape[-1])


def _corrected(
    coefficients: Array, values: Array, errors: Array, terms: PauliList, calibration: NDArray[np.bool_]
) -> _Estimates:
    shots, acts = len(calibration), (terms.x | terms.z).astype(float).T
    corrected, variances = np.zeros((2, len(coefficients), values.shape[1]))
    by_shot = np.zeros((shots, *corrected.shape))
    for some in batched(range(len(terms)), max(1, _CHUNK // shots), strict=False):
        part = list(some)
        parities = 1 - 2 * (calibration @ acts[:, part] % 2)  # shape (shots, terms)
        seen = parities.mean(axis=0)
        weights = coefficients[:, part] / np.where(seen == 0, 1 / shots, seen)
        corrected += weights @ values[part]
        variances += weights**2 @ errors[part] ** 2
        slopes = weights[:, :, None] * values[part] / np.where(seen == 0, 1 / shots, seen)[:, None]
        by_shot += np.tensordot(parities, slopes, (1, 1))
    return _Estimates(corrected, variances + by_shot.var(axis=0) / shots)


def _at_no_noise(
    observable: Observable, zne: ZeroNoiseExtrapolation, scaled: Sequence[Estimate], shots: int
) -> tuple[Estimate, str | None]:
    settled = observable.terms.get("I" * observable.n_qubits, 0.0)
    farthest = sum(map(abs, observable.terms.values())) - abs(settled)
    if not farthest:  # nothing but the identity
        return scaled[0], None
    values, found = np.array([(each.value, each.standard_error) for each in scaled]).T
    errors = np.maximum(found, farthest / shots)  # where all shots agree, the fit would look at nothing else
    bounds = {"settled": settled, "farthest": farthest}
    note = None
    try:
        value, weights = extrapolated(zne.extrapolation, zne.scales, values, errors, **bounds)
    except NoTrendError as problem:
        value, weights = extrapolated("linear", zne.scales, values, errors, **bounds)
        note = f"extrapolated linearly: no exponential fits, {problem}"
    return Estimate(value=value, standard_error=math.sqrt(float(weights**2 @ found**2))), note
