"""Backends, and what they make of a circuit."""

from typing import Literal

from pydantic import ConfigDict, Field

from ketbase.types import Model, Moment

type BackendType = Literal["simulator", "simulated_device", "hardware"]


class Capabilities(Model):
    """What a backend can run."""

    max_qubits: int
    max_shots: int
    supported_gates: tuple[str, ...]
    supports_noise: bool
    supports_control_flow: bool
    supports_mid_circuit_measurement: bool
    has_gpu: bool = False
    supports_shots: bool = True


class Calibration(Model):
    """The calibration that a simulated or real device runs under; errors are probabilities, times in µs."""

    taken_at: Moment
    median_readout_error: float
    median_two_qubit_error: float
    median_single_qubit_error: float
    median_t1_us: float
    median_t2_us: float


class BackendInfo(Model):
    """A backend as the catalogue describes it; nothing here changes while the process runs."""

    id: str = Field(examples=["fake_fez"])
    name: str = Field(examples=["IBM Fez (simulated)"])
    type: BackendType
    provider: str = Field(examples=["aer", "ibm"])
    description: str
    capabilities: Capabilities
    calibration: Calibration | None = None


class CompiledCircuit(Model):
    """A circuit in a backend's own gates, on that backend's qubits.

    Attributes:
        program: the executable form, in Qiskit's QPY format.
        qasm: the same as OpenQASM 3, for people and for provenance.
        physical_qubits: the device's qubits that the circuit touches, ascending.
        layout: for each qubit of the submitted circuit, in order, the physical qubit it starts on.
        registers: the classical registers, first declared first; the first one is rightmost in a bitstring.
        backend: where it can run.
        n_qubits: how many qubits the submitted circuit has.
        sdk: versions of the packages that made it.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    program: bytes
    qasm: str
    backend: str
    n_qubits: int
    physical_qubits: tuple[int, ...]
    layout: tuple[int, ...]
    depth: int
    gate_counts: dict[str, int]
    registers: tuple[tuple[str, int], ...]
    calibrated_at: Moment | None
    sdk: dict[str, str]


class Outcome(Model):
    """What an execution gave.

    Attributes:
        counts: shots per bitstring; classical bit 0 is rightmost, registers are joined without a space.
        method: the simulation method, such as `stabilizer` or `density_matrix`.
        seconds: wall time of the execution alone.
    """

    counts: dict[str, int]
    shots: int
    method: str
    seconds: float
    started_at: Moment
    ended_at: Moment
    sdk: dict[str, str]
