"""The quantum port: reading, writing, compiling and executing circuits, without naming an SDK."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from ketbase.backends.experiments import Experiment
from ketbase.backends.remote import Properties, RemoteOutcome, RemoteState, Sighting
from ketbase.backends.types import BackendInfo, CompiledCircuit, Engine, Outcome
from ketbase.circuits.types import CircuitDefinition
from ketbase.optimize.types import Optimized


class CircuitLanguage(Protocol):
    """OpenQASM in and out, and pictures of circuits."""

    def warm(self) -> None:
        """Begin to prepare for the first request, without waiting for it."""

    def parse(self, qasm: str) -> CircuitDefinition:
        """Read OpenQASM 2 or 3 (told apart by the version line; 3 where there is none).

        Bounded in time, memory and expanded gates whatever the text is.

        Raises:
            InvalidCircuitError: `INVALID_QASM` with the line where there is one, `CIRCUIT_TOO_LARGE`, or
                `CIRCUIT_TOO_COMPLEX` where a bound was reached.
        """

    def export(self, definition: CircuitDefinition, version: Literal[2, 3]) -> str:
        """Write a circuit as OpenQASM.

        Raises:
            InvalidCircuitError: `NOT_EXPRESSIBLE`, say free parameters or control flow in OpenQASM 2.
        """

    def draw(self, definition: CircuitDefinition, form: Literal["svg", "text"]) -> str:
        """Draw a circuit, qubit 0 on top.

        Raises:
            InvalidCircuitError: `CIRCUIT_TOO_COMPLEX` where the picture would be too large.
        """


class QuantumProvider(Protocol):
    """All that compiles and runs circuits: simulators in this process, and vendors' machines elsewhere."""

    def compile(
        self,
        definition: CircuitDefinition,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        placement: tuple[int, ...] | None = None,
        seed: int,
        optimization_level: int,
    ) -> CompiledCircuit:
        """Bind the parameters (radians) and translate the circuit into what `backend` runs, for all it is asked.

        With a `placement`, the backend's qubit for each of the circuit's, the circuit was optimised for this
        backend and stays as it is.

        A circuit that measures nothing gets every qubit measured at its end.

        Raises:
            InvalidCircuitError: unbound or unknown parameters, too many qubits or circuits, or an operation that
                the backend lacks.
            UnavailableError: the provider does not say what the backend is like now.
        """

    def calibrated_at(self, backend: BackendInfo) -> datetime | None:
        """Say when the calibration was made that circuits are compiled by; `None` where there is none.

        Raises:
            UnavailableError: the provider does not answer.
        """

    def optimize(
        self, definition: CircuitDefinition, *, backend: BackendInfo, level: int, effort_s: float, seed: int
    ) -> Optimized:
        """Search for the best way to run a circuit on a backend; free parameters stay free.

        Args:
            definition: the circuit.
            backend: where it is to run.
            level: 0 to 3; 3 searches for `effort_s` seconds.
            effort_s: how long.
            seed: of the search.

        Raises:
            InvalidCircuitError: `TOO_MANY_QUBITS` or `UNSUPPORTED_OPERATION`.
            UnavailableError: the provider does not say what the backend is like now.
        """

    # --- What runs here ---

    def execute(
        self,
        compiled: CompiledCircuit,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        shots: int,
        seed: int,
        noise: bool,
    ) -> Outcome:
        """Run a compiled circuit; the same arguments give the same counts.

        Raises:
            ExecutionError: the circuit needs more memory than there is, or the simulator refused it.
        """

    def needed_mb(
        self,
        compiled: CompiledCircuit,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        shots: int,
        noise: bool,
        max_memory_mb: int,
    ) -> float:
        """Say what the largest state takes of the simulation that `execute` would do with so much memory.

        Returns:
            Megabytes of 10⁶ bytes.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`, with `needed_mb` in its details.
        """

    # --- What runs elsewhere ---

    def submit(
        self,
        compiled: CompiledCircuit,
        *,
        backend: BackendInfo,
        experiment: Experiment,
        shots: int,
        seed: int,
        noise: bool,
        tag: str,
        again: bool,
    ) -> str:
        """Hand a compiled circuit in at its provider, once for each tag.

        Args:
            compiled: what `compile` returned.
            backend: where.
            experiment: what is asked.
            shots: of each circuit.
            seed: for providers that simulate.
            noise: whether a provider's simulator errs as the machine does.
            tag: our name for the job, which the provider keeps with it.
            again: whether it may have been handed in before; then an earlier one with this tag is looked for first.

        Returns:
            The provider's id of the job.

        Raises:
            UnavailableError: it may or may not have arrived; asking again with `again` is safe.
            ExecutionError: the provider refused it, and will again.
        """

    def find(self, backend: BackendInfo, tag: str) -> str | None:
        """Find a job, or what part of it arrived, by the tag that it was handed in with.

        Returns:
            The provider's id; `None` if it has nothing of the job.

        Raises:
            UnavailableError: the provider does not answer.
        """

    def states(self, engine: Engine, remote_ids: Sequence[str]) -> Mapping[str, RemoteState]:
        """Ask a provider where jobs stand; one that it does not know is left out.

        Raises:
            UnavailableError: it does not answer.
        """

    def fetch(
        self, remote_id: str, compiled: CompiledCircuit, *, backend: BackendInfo, experiment: Experiment, shots: int
    ) -> RemoteOutcome:
        """Get a completed job's outcome, in our bit order.

        Raises:
            UnavailableError: the provider does not answer.
            ExecutionError: there is no result, or not what was handed in.
        """

    def cancel(self, engine: Engine, remote_id: str) -> None:
        """Ask a provider to stop a job; one that is over is no error.

        Raises:
            UnavailableError: the provider does not answer.
        """

    def sight(self, engine: Engine) -> tuple[Sighting, ...]:
        """Ask a provider for the backends that our account may use.

        Raises:
            UnavailableError: it does not answer, or does not know us.
        """

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read a backend's calibration as it is now; `None` for one that has none.

        Raises:
            UnavailableError: the provider does not answer.
        """


class Overlap(NamedTuple):
    """What two states φ and ψ have in common.

    Attributes:
        fidelity: |⟨φ|ψ⟩|², from 0 to 1.
        phase: of ⟨φ|ψ⟩, in radians, above −π and up to π: ψ is φ with this phase where the fidelity is 1.
    """

    fidelity: float
    phase: float


class StateVectors(Protocol):
    """State vectors of a few qubits: computing and comparing them.

    A state is bytes: its amplitudes as little-endian complex128, 16 bytes for each, of norm 1 together; qubit 0 is
    the least significant bit of an amplitude's number.
    """

    def compute(self, definition: CircuitDefinition, parameters: Mapping[str, float]) -> bytes:
        """Compute the state of a circuit of gates, parameters in radians, measurements at its end left out.

        Bounded in time and memory whatever the circuit is.

        Raises:
            InvalidCircuitError: `INVALID_PARAMETER`, `UNSUPPORTED_OPERATION`, or `CIRCUIT_TOO_COMPLEX` where a
                bound was reached.
            UnavailableError: nothing computes at this moment.
        """

    def rotated(self, state: bytes, rotations: int) -> list[list[float]]:
        """Write a state under K evenly spread global phases, each as its real parts and then its imaginary parts.

        The cosine of the best of them with another state's is at least cos(π/K) times the overlap |⟨φ|ψ⟩|.
        """

    def overlaps(self, state: bytes, others: Sequence[bytes]) -> list[Overlap]:
        """Compare a state with others of as many qubits, in double precision."""
