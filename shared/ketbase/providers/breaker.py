"""A circuit breaker for each provider, shared by all processes: who does not answer is left alone for a while."""

from collections.abc import Callable
from datetime import UTC, datetime

from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitBreakerStorage

from ketbase.backends.types import Engine
from ketbase.errors import UnavailableError
from ketbase.ports.records import Key, Records, Update

FAILURES = 5
"""So many calls in a row without an answer open the breaker."""
OPEN_S = 30.0
"""For so long nobody asks; then one call tries."""


class Breakers:
    """The breakers of all providers."""

    def __init__(self, records: Records, *, open_s: float = OPEN_S):
        self._records = records
        self._open_s = open_s
        self._breakers: dict[Engine, tuple[_Kept, CircuitBreaker]] = {}

    def call[T](self, engine: Engine, ask: Callable[[], T]) -> T:
        """Ask a provider something.

        Raises:
            UnavailableError: `PROVIDER_UNAVAILABLE`, the breaker is open; or what `ask` raised.
        """
        kept, breaker = self._of(engine)
        kept.read()
        try:
            return breaker.call(ask)
        except CircuitBreakerError as problem:
            raise UnavailableError(
                "PROVIDER_UNAVAILABLE",
                f"{engine} has not answered several times in a row; it is asked again {self._open_s:.0f} s after "
                "the last time.",
                engine=engine,
            ) from problem

    def _of(self, engine: Engine) -> tuple["_Kept", CircuitBreaker]:
        if engine not in self._breakers:
            kept = _Kept(self._records, engine)
            breaker = CircuitBreaker(
                fail_max=FAILURES,
                reset_timeout=self._open_s,
                exclude=[_is_answer],
                state_storage=kept,
                throw_new_error_on_trip=False,
            )
            self._breakers[engine] = kept, breaker
        return self._breakers[engine]


def _is_answer(problem: object) -> bool:
    """A refusal is an answer, and so is being told to come back later."""
    return not isinstance(problem, UnavailableError) or "retry_after_s" in problem.details


class _Kept(CircuitBreakerStorage):
    """A breaker's state in the records. It is read once before each call; what did not change is not written."""

    def __init__(self, records: Records, engine: Engine):
        super().__init__(engine)
        self._records = records
        self._place = Key("providers#breakers", engine)
        self._values: dict[str, object] = {}

    def read(self) -> None:
        """Learn what other processes did."""
        item = self._records.get(self._place)
        self._values = {} if item is None else dict(item.values)

    @property
    def state(self) -> str:
        return str(self._values.get("state", STATE_CLOSED))

    @state.setter
    def state(self, state: str) -> None:
        self._set("state", state)

    @property
    def counter(self) -> int:
        return int(str(self._values.get("failures", 0)))

    def increment_counter(self) -> None:
        self._values["failures"] = self.counter + 1
        self._records.write(Update(self._place, add={"failures": 1}))

    def reset_counter(self) -> None:
        self._set("failures", 0)

    @property
    def success_counter(self) -> int:
        return int(str(self._values.get("successes", 0)))

    def increment_success_counter(self) -> None:
        self._set("successes", self.success_counter + 1)

    def reset_success_counter(self) -> None:
        self._set("successes", 0)

    @property
    def opened_at(self) -> datetime | None:
        moment = self._values.get("opened_at")
        return None if moment is None else datetime.fromtimestamp(float(str(moment)), UTC)

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._set("opened_at", str(moment.timestamp()))

    def _set(self, name: str, value: object) -> None:
        if self._values.get(name, 0) != value:
            self._values[name] = value
            self._records.write(Update(self._place, set={name: value}))
