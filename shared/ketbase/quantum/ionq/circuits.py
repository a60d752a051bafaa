"""Circuits in the form that IonQ's API takes, and its probabilities as counts in our bit order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Measure, Parameter, QuantumCircuit, library
from qiskit.providers import Options
from qiskit.transpiler import Target
from qiskit_ionq import ErrorMitigation
from qiskit_ionq.helpers import qiskit_to_ionq

from ketbase.errors import ExecutionError, InvalidCircuitError
from ketbase.quantum.describe import steps
from ketbase.quantum.engines import Counts, Work
from ketbase.quantum.ionq.machines import IDEAL, is_machine, noise_model
from ketbase.quantum.methods import is_sampled
from ketbase.quantum.sampling import bits_of, counted, shared_out

TAG = "ketbase_job"
"""Under this name a job's metadata holds our tag; its name is the tag as well."""

_HEADER = "qiskit_header"
_LONGEST_METADATA = 40_000
_MAX_NOISE_SEED = 2**31 - 1
_OFF = 0.01
"""A distribution whose sum is off by more is none."""

_ANGLE = Parameter("θ")
_GATES = (
    library.XGate(),
    library.YGate(),
    library.ZGate(),
    library.HGate(),
    library.SGate(),
    library.SdgGate(),
    library.TGate(),
    library.TdgGate(),
    library.SXGate(),
    library.SXdgGate(),
    library.RXGate(_ANGLE),
    library.RYGate(_ANGLE),
    library.RZGate(_ANGLE),
    library.CXGate(),
    library.CYGate(),
    library.CZGate(),
    library.CHGate(),
    library.CRXGate(_ANGLE),
    library.CRYGate(_ANGLE),
    library.CRZGate(_ANGLE),
    library.CCXGate(),
    library.SwapGate(),
    library.RXXGate(_ANGLE),
    library.RYYGate(_ANGLE),
    library.RZZGate(_ANGLE),
)
"""Of the gates that the SDK writes, those that mean the same to everybody: it writes `p` and `cp` as a `z` with an
angle, which the API describes for `rx`, `ry` and `rz` only."""


@cache
def target(n_qubits: int) -> Target:
    """Return what circuits are compiled for: every gate on any of the qubits."""
    made = Target(num_qubits=n_qubits)
    for gate in (*_GATES, Measure()):
        made.add_instruction(gate)
    return made


def measured_last(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit if all its measurements come last, as IonQ's gate lists have them.

    Raises:
        InvalidCircuitError: `UNSUPPORTED_OPERATION`.
    """
    if not is_sampled(circuit):
        raise InvalidCircuitError(
            "UNSUPPORTED_OPERATION",
            "IonQ's backends cannot run a circuit that uses a qubit after it was measured; "
            "see supports_mid_circuit_measurement of the backend",
        )
    return circuit


def payload(work: Work, tag: str) -> str:
    """Write the body of a job: one circuit, or several as a multi-circuit job whose children are named 0, 1, 2, …

    Debiasing is off on machines, whose answers must be what was measured.
    """
    remote_name = work.backend.remote_name or work.backend.id
    model = noise_model(work.backend, noise=work.noise)
    draws = not is_machine(remote_name) and model == IDEAL
    circuits = [circuit.copy(name=str(number)) for number, circuit in enumerate(work.circuits)]
    options = Options(noise_model=model, sampler_seed=1 + work.seed % _MAX_NOISE_SEED, error_mitigation=None)
    body = json.loads(
        qiskit_to_ionq(
            circuits if len(circuits) > 1 else circuits[0],
            _Described(remote_name, options),
            {
                "shots": work.shots,
                "name": tag,
                "sampler_seed": work.seed if draws else None,
                "error_mitigation": ErrorMitigation.NO_DEBIASING if is_machine(remote_name) else None,
            },
            extra_metadata={TAG: tag},
        )
    )
    if len(body["metadata"][_HEADER]) > _LONGEST_METADATA:
        del body["metadata"][_HEADER]  # only qiskit-ionq reads it, to show the job to people
    return json.dumps(body)


def drawing_seed(metadata: Mapping[str, str]) -> int | None:
    """Return the seed that draws counts, from a job's metadata; `None` where IonQ gives what was measured."""
    seed = str(metadata.get("sampler_seed"))
    return int(seed) if seed.isdigit() else None


def counts(circuit: QuantumCircuit, probabilities: Mapping[str, float], shots: int, seed: int | None) -> Counts:
    """Turn IonQ's probabilities into counts of the circuit's classical bits.

    Args:
        circuit: what was handed in; its measurements say which qubit each classical bit has.
        probabilities: of states as decimal numbers, in which qubit 0 is the least significant bit.
        shots: their sum.
        seed: draws the shots from exact probabilities. Without one the probabilities are shares of the shots, and
            are rounded so that the sum holds (largest remainders).

    Raises:
        ExecutionError: `PROVIDER_ANSWER_UNUSABLE`, these are no probabilities.
    """
    states, weights = _distribution(probabilities)
    times = (
        shared_out(weights, shots)
        if seed is None
        else np.random.default_rng(seed).multinomial(shots, weights / weights.sum())
    )
    seen = times > 0
    return counted(bits_of(states[seen], _measurements(circuit), circuit.num_clbits), times[seen])


def _distribution(probabilities: Mapping[str, float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The states, ascending, and how probable each is."""
    try:
        read = sorted((int(state), float(probability)) for state, probability in probabilities.items())
        states = np.array([state for state, _ in read], dtype=np.int64)
        weights = np.array([probability for _, probability in read])
    except (AttributeError, OverflowError, TypeError, ValueError) as problem:
        raise _unusable() from problem
    if not (np.all(states >= 0) and np.all(weights >= 0) and abs(weights.sum() - 1) < _OFF):
        raise _unusable()
    return states, weights


def _unusable() -> ExecutionError:
    return ExecutionError(
        "PROVIDER_ANSWER_UNUSABLE", "IonQ's answer is no distribution over the states of the qubits.", engine="ionq"
    )


def _measurements(circuit: QuantumCircuit) -> dict[int, int]:
    """Which qubit each classical bit has in the end."""
    return {bits[0]: qubits[0] for operation, qubits, bits in steps(circuit) if operation.name == "measure"}


@dataclass(frozen=True)
class _Described:
    """As much of a qiskit-ionq backend as its serializer looks at; a real one asks the API when it is made."""

    name: str
    options: Options

    def gateset(self) -> str:
        return "qis"
