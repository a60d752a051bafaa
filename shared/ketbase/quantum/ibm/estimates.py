"""Observables for IBM's `EstimatorV2`, and its answer in our words."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime.results import QuantumProgramResult

from ketbase.backends.experiments import (
    Estimate,
    ExpectationValue,
    Mitigation,
    Observable,
    ZeroNoiseExtrapolation,
)
from ketbase.quantum.engines import Work
from ketbase.quantum.experiments.extrapolation import NoTrendError, extrapolated
from ketbase.quantum.ibm.merging import Values, merged
from ketbase.quantum.ibm.readings import Terms, calibration_of, shots_of

type Pub = tuple[QuantumCircuit, list[SparsePauliOp]] | tuple[QuantumCircuit, list[SparsePauliOp], Values]

_NO_TREND = "fallback"
"""What the SDK calls leaving the values at each scale as they are."""
_FEWEST_TWIRLS, _MOST_TWIRLS = 16, 32
"""Random twirls of the readout over which the shots are spread; 32 is IBM's own default."""


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
    """Read an estimator's answer off its shots.

    The raw value comes from the same shots as the others, before anything was corrected: at scale 1, and without
    what the calibration says of the readout. Where readout mitigation is asked for, readout is twirled, so that in
    the raw value too its errors of 0 and of 1 are as large as their mean.

    Raises:
        ValueError: it is no answer to this work.
    """
    observables, mitigation = work.experiment.observables, work.experiment.mitigation
    qubits = _ends(work.circuits[0])
    letters = sorted({term for observable in observables for term in observable.terms})
    coefficients = np.array([[each.terms.get(term, 0.0) for each in observables] for term in letters])
    calibration = calibration_of(result, qubits) if mitigation.readout else None
    terms = Terms(letters, coefficients, calibration)
    for variant, shots in zip(work.variants, shots_of(result, qubits), strict=True):
        raw, better = terms.measured(shots[0]), [terms.corrected(bases) for bases in shots]
        for number, observable in enumerate(observables):
            mitigated, scaled, note = None, None, None
            if mitigation.zne is not None:
                at_scales = [each.estimate(number) for each in better]
                scaled = dict(zip(mitigation.zne.scales, at_scales, strict=True))
                mitigated, note = _at_no_noise(observable, mitigation.zne, at_scales, work.shots)
            elif mitigation.readout:
                mitigated = better[0].estimate(number)
            yield ExpectationValue(
                observable=number,
                parameters=variant.parameters,
                name=observable.name,
                raw=raw.estimate(number),
                mitigated=mitigated,
                scaled=scaled,
                note=note,
            )


def _ends(circuit: QuantumCircuit) -> list[int]:
    if circuit.layout is None:
        return list(range(circuit.num_qubits))
    return list(circuit.layout.final_index_layout())


def _placed(work: Work, circuit: QuantumCircuit) -> list[SparsePauliOp]:
    operators = (SparsePauliOp.from_list(list(each.terms.items())) for each in work.experiment.observables)
    return [each.apply_layout(circuit.layout, circuit.num_qubits) for each in operators]


def _twirls(shots: int) -> int:
    """Choose a number of twirls that divides the shots, where there is one."""
    dividing = [twirls for twirls in range(_FEWEST_TWIRLS, _MOST_TWIRLS + 1) if shots % twirls == 0]
    return max(dividing, default=min(_MOST_TWIRLS, shots))


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
