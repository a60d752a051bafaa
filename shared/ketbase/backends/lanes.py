"""Where a simulation is executed: the first lane that holds it, by an estimate of its memory and its time."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from ketbase.backends.types import BackendInfo
from ketbase.errors import InvalidCircuitError
from ketbase.types import Model


class Lane(StrEnum):
    """Where a compiled circuit is executed."""

    FUNCTION = "function"
    """In a function: minutes, and a few gigabytes."""
    BATCH = "batch"
    """In a container of its own: hours, and a hundred gigabytes."""
    GPU = "gpu"
    """The same on a machine with a GPU."""
    REMOTE = "remote"
    """At a provider."""


CAREFUL = 1 / 3
"""How much of a lane's time an estimate may fill before a roomier lane is better: it errs by a factor of three."""
DOUBT = 10.0
"""How many times a lane's time an estimate must be for a simulation to be refused: it would surely not end."""


class Limits(Model):
    """What a lane holds.

    Attributes:
        memory_mb: for the state of one simulation, in megabytes of 10⁶ bytes.
        seconds: for all circuits of a run together.
    """

    memory_mb: float
    seconds: float


class Need(Model):
    """What a simulation is expected to take, in the units of `Limits`."""

    memory_mb: float
    seconds: float


type Needed = Callable[[Limits], Need]
"""What a simulation takes with so much room: with more memory, there may be a faster method."""


class Lanes:
    """The lanes of an installation."""

    def __init__(self, limits: Mapping[Lane, Limits]):
        """Wire the lanes.

        Args:
            limits: of each lane that there is.
        """
        self._limits = dict(limits)

    def limits(self, lane: Lane) -> Limits:
        """Say what a lane holds; what a provider holds is its own affair."""
        return self._limits[Lane.FUNCTION if lane is Lane.REMOTE else lane]

    def roomiest(self, backend: BackendInfo) -> Lane:
        """Return the last lane that a simulation on a backend may go to."""
        return list(self._open_to(backend))[-1]

    def choose(self, backend: BackendInfo, needed: Needed) -> Lane:
        """Choose the first lane that holds a simulation; by time, where none surely does, the last that may.

        Args:
            backend: that is simulated on.
            needed: what it takes.

        Raises:
            InvalidCircuitError: `TOO_LARGE_TO_SIMULATE`, with what it needs and what each lane holds.
        """
        if backend.is_remote:
            return Lane.REMOTE
        lanes = self._open_to(backend)
        needs = {lane: needed(limits) for lane, limits in lanes.items()}
        for lane, limits in lanes.items():
            if _fits(needs[lane], limits, CAREFUL):
                return lane
        for lane, limits in reversed(lanes.items()):
            if _fits(needs[lane], limits, DOUBT):
                return lane
        raise _too_large(backend, needs, lanes)

    def _open_to(self, backend: BackendInfo) -> dict[Lane, Limits]:
        """The lanes that have what a backend simulates with, the smallest first."""
        if backend.capabilities.has_gpu and Lane.GPU in self._limits:
            return {Lane.GPU: self._limits[Lane.GPU]}
        return {lane: self._limits[lane] for lane in (Lane.FUNCTION, Lane.BATCH) if lane in self._limits}


def _fits(need: Need, limits: Limits, share: float) -> bool:
    return need.memory_mb <= limits.memory_mb and need.seconds <= share * limits.seconds


def _too_large(
    backend: BackendInfo, needs: Mapping[Lane, Need], lanes: Mapping[Lane, Limits]
) -> InvalidCircuitError:
    need = needs[max(lanes, key=lambda lane: lanes[lane].memory_mb)]
    holds = ", ".join(f"{limits.memory_mb:,.0f} MB for {limits.seconds:,.0f} s" for limits in lanes.values())
    details: dict[str, Any] = {
        lane.value: {"memory_mb": limits.memory_mb, "seconds": limits.seconds} for lane, limits in lanes.items()
    }
    return InvalidCircuitError(
        "TOO_LARGE_TO_SIMULATE",
        f"Simulating this on {backend.id} needs {_number(need.memory_mb)} MB and is expected to take "
        f"{_number(need.seconds)} s; there is room for {holds}. Fewer qubits or gates would fit, "
        "a circuit of Clifford gates alone on aer, or a quantum computer.",
        field="circuit",
        needed_mb=need.memory_mb,
        needed_s=need.seconds,
        lanes=details,
    )


def _number(number: float) -> str:
    return f"{number:,.0f}" if number < 1e12 else f"{number:.0e}"
