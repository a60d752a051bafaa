"""What each engine can do, in Qiskit's words; `ketbase.quantum.providers` makes one provider of all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from qiskit.circuit import QuantumCircuit

from ketbase.backends.experiments import ExpectationValue, Experiment, Variant
from ketbase.backends.remote import Properties, RemoteState, Sighting
from ketbase.backends.types import BackendInfo
from ketbase.money import Money
from ketbase.quantum.machines import Machine

type Counts = dict[str, int]
"""Shots per bitstring: classical bit 0 rightmost, the circuit's registers joined without a space, no zeros."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be executed.

    Attributes:
        backend: where.
        circuits: compiled for that backend's machine, one for each variant.
        variants: what each is for.
        layout: for each qubit of the submitted circuit, the machine's qubit that it starts on.
        experiment: what is asked.
        shots: of each circuit.
        seed: of a simulator's random numbers.
        noise: whether a simulator errs.
    """

    backend: BackendInfo
    circuits: tuple[QuantumCircuit, ...]
    variants: tuple[Variant, ...]
    layout: tuple[int, ...]
    experiment: Experiment
    shots: int
    seed: int = 0
    noise: bool = True


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulator gave: the counts of each circuit, and by which method."""

    counts: tuple[Counts, ...]
    method: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a provider gave.

    Attributes:
        counts: of each circuit; empty where the provider estimated the observables itself.
        expectations: those.
        method: what the provider calls the machine or the simulator.
        seconds: what the machine took, as far as the provider says.
        raw: what it answered, JSON-like.
        billed: what it says it asks for.
    """

    counts: tuple[Counts, ...]
    method: str
    seconds: float
    started_at: datetime
    ended_at: datetime
    raw: dict[str, Any]
    expectations: tuple[ExpectationValue, ...] = ()
    billed: Money | None = None


class Engine(Protocol):
    """Something circuits are compiled for."""

    def machine(self, backend: BackendInfo) -> Machine:
        """Describe a backend to the compiler.

        Raises:
            UnavailableError: its provider does not say what it is like now.
        """


class Simulator(Engine, Protocol):
    """An engine in this process."""

    def run(self, work: Work) -> Simulated:
        """Simulate; the same work gives the same counts.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY` or `SIMULATION_FAILED`.
        """

    def needed_mb(self, work: Work, max_memory_mb: int) -> float:
        """Say what the largest state takes in a simulation that may use so much memory.

        Raises:
            ExecutionError: `INSUFFICIENT_MEMORY`.
        """


class Remote(Engine, Protocol):
    """An engine that works elsewhere; whoever implements it translates the bit order, and tells passing errors
    (`UnavailableError`: network, timeouts, 429, 5xx) from refusals (`ExecutionError`).
    """

    def submit(self, work: Work, tag: str) -> str:
        """Hand work in exactly once, without trying again inside, and return the provider's id of the job."""

    def find(self, backend: BackendInfo, tag: str, *, partly: bool = False) -> str | None:
        """Find the id of the job that was handed in with a tag, however it ended; `None` if there is none.

        Where only a part of it arrived, that is `None` as well, or with `partly` an id of that part.
        """

    def states(self, remote_ids: Sequence[str]) -> Mapping[str, RemoteState]:
        """Say where jobs stand, with as few requests as the provider allows; unknown jobs are left out."""

    def fetch(self, remote_id: str, work: Work) -> Fetched:
        """Get a completed job's counts."""

    def cancel(self, remote_id: str) -> None:
        """Ask to stop a job; one that is over is no error."""

    def sight(self) -> tuple[Sighting, ...]:
        """Describe the backends that our account may use."""

    def properties(self, backend: BackendInfo) -> Properties | None:
        """Read a backend's calibration as it is now; `None` for one that has none."""
