"""IonQ's backends as they are described before anybody asked IonQ, and what each is called there."""

from ketbase.backends.types import BackendInfo, BackendType, Calibration, Capabilities
from ketbase.circuits.gates import GATES

SIMULATOR = "simulator"
IDEAL = "ideal"

_QPU = "qpu."
_NOISE_MODELS = {"ionq_simulator_aria": "aria-1", "ionq_simulator_forte": "forte-1"}
_KNOWN = {"qpu.aria-1": "ionq_aria", "qpu.forte-1": "ionq_forte"}
_SIMULATED_SHOTS = 1_000_000
"""What the API takes; a noisy simulation is repeated for each shot."""
_QPU_SHOTS = 10_000
"""What IonQ's own SDK allows for its machines."""
_GATES = tuple(gate for gate in GATES if gate != "RESET")
_ALL_TO_ALL = "any two qubits interact directly"


def catalogue() -> list[BackendInfo]:
    """Describe the simulators and the machines that IonQ's documentation lists, and Aria.

    Sources: docs.ionq.com, Simulation with Noise Models, for the simulators' qubits and models; the API's own
    description of September 2026, which lists Forte and Forte Enterprise as the machines that take jobs.
    """
    return [
        _described(
            "ionq_simulator",
            "IonQ simulator",
            "simulator",
            SIMULATOR,
            29,
            "IonQ's ideal simulator. It answers with exact probabilities; shots are drawn from them with the run's "
            "seed.",
        ),
        _described(
            "ionq_simulator_aria",
            "IonQ Aria (simulated)",
            "simulated_device",
            SIMULATOR,
            25,
            f"IonQ's simulator with its noise model aria-1, simulated once for each shot; {_ALL_TO_ALL}.",
        ),
        _described(
            "ionq_simulator_forte",
            "IonQ Forte (simulated)",
            "simulated_device",
            SIMULATOR,
            29,
            f"IonQ's simulator with its noise model forte-1, simulated once for each shot; {_ALL_TO_ALL}.",
        ),
        machine("qpu.aria-1", 25),
        machine("qpu.forte-1", 36),
    ]


def machine(remote_name: str, n_qubits: int, calibration: Calibration | None = None) -> BackendInfo:
    """Describe one of IonQ's machines, such as `qpu.forte-1`."""
    name = remote_name.removeprefix(_QPU)
    backend_id = _KNOWN.get(remote_name, f"ionq_{name.replace('-', '_')}")
    words = name.removesuffix("-1") if remote_name in _KNOWN else name
    title = words.replace("-", " ").title()
    retired = " IonQ has retired it." if remote_name == "qpu.aria-1" else ""
    return _described(
        backend_id,
        f"IonQ {title}",
        "hardware",
        remote_name,
        n_qubits,
        f"IonQ's trapped-ion machine {title}; {_ALL_TO_ALL}. Debiasing is off.{retired}",
        calibration,
    )


def is_machine(remote_name: str) -> bool:
    """Whether a backend of IonQ's is a machine, no simulator."""
    return remote_name.startswith(_QPU)


def noise_model(backend: BackendInfo, *, noise: bool) -> str:
    """Return which noise IonQ's simulator is to have for one of our backends."""
    return _NOISE_MODELS.get(backend.id, IDEAL) if noise else IDEAL


def _described(
    backend_id: str,
    name: str,
    kind: BackendType,
    remote_name: str,
    n_qubits: int,
    description: str,
    calibration: Calibration | None = None,
) -> BackendInfo:
    return BackendInfo(
        id=backend_id,
        name=name,
        type=kind,
        provider="ionq",
        engine="ionq",
        remote_name=remote_name,
        description=description,
        capabilities=Capabilities(
            max_qubits=n_qubits,
            max_shots=_QPU_SHOTS if kind == "hardware" else _SIMULATED_SHOTS,
            supported_gates=_GATES,
            supports_noise=kind == "simulated_device",
            supports_control_flow=False,
            supports_mid_circuit_measurement=False,
        ),
        calibration=calibration,
    )
