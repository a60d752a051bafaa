"""Writes `ketbase/backends/catalog.json` from the snapshots: run `python -m ketbase.quantum.catalogue`."""

import json
from collections.abc import Iterable
from pathlib import Path

from qiskit.transpiler import Target

from ketbase.backends import catalog
from ketbase.backends.types import BackendInfo, Capabilities, Engine
from ketbase.circuits.gates import GATES
from ketbase.circuits.types import MAX_QASM_QUBITS
from ketbase.quantum.calibrations import errors, medians, two_qubit_gate
from ketbase.quantum.devices import calibrated_at, device, devices
from ketbase.quantum.ionq import machines as ionq
from ketbase.quantum.simulators import IDEAL
from ketbase.quantum.statevectors import most_qubits
from ketbase.quantum.targets import DEAD, native_gates, supported_gates

MAX_SHOTS = 1_000_000
MOST_MEMORY_MB = 120_000
"""What the largest machine has that statevectors are kept in."""


def catalogue() -> list[BackendInfo]:
    """Describe every backend: the ideal simulators first, the devices in alphabetical order."""
    return [_ideal(), *_statevectors(), *(_device(name) for name in devices()), *ionq.catalogue()]


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
    chip = name.removeprefix("fake_").capitalize()
    return BackendInfo(
        id=name,
        name=f"IBM {chip} (simulated)",
        type="simulated_device",
        provider="aer",
        description=(
            f"{snapshot.num_qubits} qubits with the couplings and a calibration snapshot of IBM {chip}, "
            "simulated with that noise on the qubits a circuit uses. Native gates: "
            f"{', '.join(native_gates(target))}; the others are translated.{_warning(target)}"
        ),
        capabilities=Capabilities(
            max_qubits=snapshot.num_qubits,
            max_shots=MAX_SHOTS,
            supported_gates=supported_gates(target),
            supports_noise=True,
            supports_control_flow="if_else" in target.operation_names,
            supports_mid_circuit_measurement=True,
        ),
        calibration=medians(target, calibrated_at(name)),
    )


def _warning(target: Target) -> str:
    works = any(error < DEAD for error in errors(target, two_qubit_gate(target) or ""))
    return "" if works else " This snapshot marks every coupler as dead: gates on two qubits give noise only."


if __name__ == "__main__":
    Path(catalog.__file__).with_name(catalog.CATALOG).write_text(text_of(catalogue()))
