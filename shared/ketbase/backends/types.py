"""Backends, and what they make of a circuit."""

from typing import Literal

from pydantic import ConfigDict, Field

from ketbase.backends.experiments import MAX_CIRCUITS, ExpectationValue, Variant
from ketbase.types import Model, Moment

type BackendType = Literal["simulator", "simulated_device", "hardware"]
type Engine = Literal["aer", "cuquantum", "qsim", "lightning", "ionq", "ibm", "braket"]
"""What runs a backend's circuits: a simulator in our own functions, or a provider over the network."""

REMOTE: frozenset[Engine] = frozenset({"ionq", "ibm", "braket"})
"""The engines that work elsewhere: a job is handed in there, and asked for until it is done."""
ESTIMATING: frozenset[Engine] = frozenset({"ibm"})
"""The engines that estimate observables themselves: they are given the circuit, and choose what to measure."""

WITH_MODES: frozenset[Engine] = frozenset({"ibm"})
"""The engines that have batches and sessions."""


class Capabilities(Model):
    """What a backend can run.

    Attributes:
        max_circuits: of one job.
    """

    max_qubits: int
    max_shots: int
    supported_gates: tuple[str, ...]
    supports_noise: bool
    supports_control_flow: bool
    supports_mid_circuit_measurement: bool
    has_gpu: bool = False
    supports_shots: bool = True
    max_circuits: int = MAX_CIRCUITS


class Calibration(Model):
    """The calibration that a simulated or real device runs under; errors are probabilities, times in µs."""

    taken_at: Moment
    median_readout_error: float
    median_two_qubit_error: float
    median_single_qubit_error: float
    median_t1_us: float
    median_t2_us: float


class BackendInfo(Model):
    """A backend as the catalogue, or its provider, describes it.

    Attributes:
        provider: whose machine it is, or whose simulator.
        engine: what runs its circuits.
        remote_name: what the provider calls it, where it works elsewhere.
    """

    id: str = Field(examples=["fake_fez"])
    name: str = Field(examples=["IBM Fez (simulated)"])
    type: BackendType
    provider: str = Field(examples=["aer", "ibm"])
    engine: Engine = "aer"
    remote_name: str | None = None
    description: str
    capabilities: Capabilities
    calibration: Calibration | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it works elsewhere."""
        return self.engine in REMOTE

    @property
    def estimates(self) -> bool:
        """Whether it estimates observables itself."""
        return self.engine in ESTIMATING


class CompiledCircuit(Model):
    """A circuit in a backend's own gates, on that backend's qubits, once for all that it is executed for.

    Attributes:
        program: the executable form, in Qiskit's QPY format: one circuit for each variant, in their order.
        variants: what each of these circuits is for.
        qasm: the first of them as OpenQASM 3, for people and for provenance; depth and counts are its as well.
        physical_qubits: the device's qubits that the circuit touches, ascending.
        layout: for each qubit of the submitted circuit, in order, the physical qubit it starts on.
        registers: the classical registers, first declared first; the first one is rightmost in a bitstring.
        backend: where it can run.
        n_qubits: how many qubits the submitted circuit has.
        two_qubit_gates: of the gates, those on two qubits or more.
        estimated_success: the probability that no error happens, by the calibration; `None` where there is none.
        sdk: versions of the packages that made it.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    program: bytes
    variants: tuple[Variant, ...] = (Variant(),)
    qasm: str
    backend: str
    n_qubits: int
    physical_qubits: tuple[int, ...]
    layout: tuple[int, ...]
    depth: int
    gate_counts: dict[str, int]
    two_qubit_gates: int = 0
    estimated_success: float | None = None
    registers: tuple[tuple[str, int], ...]
    calibrated_at: Moment | None
    sdk: dict[str, str]


class Outcome(Model):
    """What an execution gave.

    Attributes:
        counts: for each of the compiled variants, shots per bitstring; classical bit 0 is rightmost, registers are
            joined without a space. Empty where observables were estimated.
        shots: of each circuit.
        expectations: of the observables, if any were asked for.
        method: the simulation method, such as `stabilizer` or `density_matrix`, or what the provider calls it.
        seconds: wall time of the execution alone.
    """

    counts: tuple[dict[str, int], ...]
    shots: int
    expectations: tuple[ExpectationValue, ...] = ()
    method: str
    seconds: float
    started_at: Moment
    ended_at: Moment
    sdk: dict[str, str]
