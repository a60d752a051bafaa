"""Writes `ketbase/backends/catalog.json` from the snapshots: run `python -m ketbase.quantum.catalogue`."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from qiskit.transpiler import Target

from ketbase.backends import catalog
from ketbase.backends.types import BackendInfo, Calibration, Capabilities, Engine
from ketbase.circuits.gates import GATES
from ketbase.circuits.types import MAX_QASM_QUBITS
from ketbase.quantum.build import GATE_CLASSES
from ketbase.quantum.devices import DEAD, calibrated_at, device, devices
from ketbase.quantum.simulators import IDEAL
from ketbase.quantum.statevectors import most_qubits

MAX_SHOTS = 1_000_000
MOST_MEMORY_MB = 120_000
"""What the largest machine has that statevectors are kept in."""
_SIGNIFICANT = 6
_TWO_QUBIT_GATES = ("cz", "ecr", "cx")
_NAMES = {kind().name: name for name, kind in GATE_CLASSES.items() if not GATES[name].angles} | {"rz": "RZ"}


def catalogue() -> list[BackendInfo]:
    """Describe every backend: the ideal simulators first, the devices in alphabetical order."""
    return [_ideal(), *_statevectors(), *(_device(name) for name in devices())]


def text_of(described: Iterable[BackendInfo]) -> str:
    """Write descriptions as the catalogue's JSON."""
    return json.dumps([each.model_dump(mode="json") for each in described], indent=2) + "\n"


def _ideal() -> BackendInfo:
    return BackendInfo(
        id=IDEAL,
        name="Aer simulator",
        type="simulator",
        provider="aer",
        description=(
            "Ideal simulation without noise. Clifford circuits, and circuits of little entanglement, run with "
            "hundreds of qubits (stabilizer, matrix product state); any other circuit needs a statevector of "
            "16 bytes times 2 to the number of qubits, such as 268 MB for 24."
        ),
        capabilities=Capabilities(
            max_qubits=MAX_QASM_QUBITS,
            max_shots=MAX_SHOTS,
            supported_gates=tuple(GATES),
            supports_noise=False,
            supports_control_flow=True,
            supports_mid_circuit_measurement=True,
        ),
    )


def _statevectors() -> Iterable[BackendInfo]:
    yield _statevector(
        "qsim",
        "qsim simulator",
        "google",
        "Ideal simulation without noise by Google's qsim, in single precision: a thousand gates shift the "
        "distribution by less than 1e-6 (total variation). A state takes 8 bytes times 2 to the number of qubits, "
        "such as 134 MB for 24. Where something comes after a measurement, each shot is simulated by itself.",
    )
    yield _statevector(
        "lightning",
        "Lightning simulator",
        "xanadu",
        "Ideal simulation without noise by PennyLane Lightning, in double precision. A state takes 24 bytes times "
        "2 to the number of qubits, such as 403 MB for 24; each measurement or reset before the end keeps another.",
    )
    yield _statevector(
        "cuquantum",
        "cuQuantum simulator",
        "nvidia",
        "Ideal simulation without noise by Aer on a GPU, with NVIDIA's cuStateVec, in double precision. A state "
        "takes 16 bytes times 2 to the number of qubits of the GPU's memory.",
        on_gpu=True,
    )


def _statevector(
    engine: Engine, name: str, provider: str, description: str, *, on_gpu: bool = False
) -> BackendInfo:
    return BackendInfo(
        id=engine,
        name=name,
        type="simulator",
        provider=provider,
        engine=engine,
        description=description,
        capabilities=Capabilities(
            max_qubits=most_qubits(engine, MOST_MEMORY_MB),
            max_shots=MAX_SHOTS,
            supported_gates=tuple(GATES),
            supports_noise=False,
            supports_control_flow=on_gpu,  # Aer's part
            supports_mid_circuit_measurement=True,
            has_gpu=on_gpu,
        ),
    )


def _device(name: str) -> BackendInfo:
    snapshot = device(name)
    target = snapshot.target
    native = sorted(_NAMES[gate] for gate in target.operation_names if gate in _NAMES)
    gates = [gate for gate in native if gate not in ("MEASURE", "RESET")]
    chip = name.removeprefix("fake_").capitalize()
    return BackendInfo(
        id=name,
        name=f"IBM {chip} (simulated)",
        type="simulated_device",
        provider="aer",
        description=(
            f"{snapshot.num_qubits} qubits with the couplings and a calibration snapshot of IBM {chip}, "
            f"simulated with that noise on the qubits a circuit uses. Native gates: {', '.join(gates)}; "
            f"the others are translated.{_warning(target)}"
        ),
        capabilities=Capabilities(
            max_qubits=snapshot.num_qubits,
            max_shots=MAX_SHOTS,
            supported_gates=tuple(gate for gate in GATES if gate != "RESET" or gate in native),
            supports_noise=True,
            supports_control_flow="if_else" in target.operation_names,
            supports_mid_circuit_measurement=True,
        ),
        calibration=_calibration(name, target),
    )


def _warning(target: Target) -> str:
    pair = _two_qubit_gate(target)
    works = any(error < DEAD for error in _errors(target, pair))
    return "" if works else " This snapshot marks every coupler as dead: gates on two qubits give noise only."


def _two_qubit_gate(target: Target) -> str:
    return next(gate for gate in _TWO_QUBIT_GATES if gate in target.operation_names)


def _calibration(name: str, target: Target) -> Calibration:
    qubits = target.qubit_properties
    return Calibration(
        taken_at=calibrated_at(name),
        median_readout_error=_median(_errors(target, "measure")),
        median_two_qubit_error=_median(_errors(target, _two_qubit_gate(target))),
        median_single_qubit_error=_median(_errors(target, "sx")),
        median_t1_us=_median(qubit.t1 * 1e6 for qubit in qubits if qubit.t1),
        median_t2_us=_median(qubit.t2 * 1e6 for qubit in qubits if qubit.t2),
    )


def _errors(target: Target, operation: str) -> list[float]:
    """Return the errors of an operation wherever it works, or everywhere if it works nowhere."""
    errors = [each.error for each in target[operation].values() if each is not None and each.error is not None]
    return [error for error in errors if error < DEAD] or errors


def _median(values: Iterable[float]) -> float:
    middle = median(values)
    return round(middle, _SIGNIFICANT - 1 - math.floor(math.log10(abs(middle)))) if middle else 0.0


if __name__ == "__main__":
    Path(catalog.__file__).with_name(catalog.CATALOG).write_text(text_of(catalogue()))
