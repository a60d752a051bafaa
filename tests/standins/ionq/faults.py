"""What goes wrong between this cloud and whoever asks it: on request for the next requests, or now and then by dice."""

import random
import threading
from dataclasses import dataclass, field
from typing import Literal

type Fault = Literal[
    "none",
    "late",
    "302",
    "429",
    "429_bare",
    "500",
    "502",
    "503",
    "drop",
    "lost",
    "lost_500",
    "torn",
    "html",
    "empty",
]
"""Which there are:

- none: nothing goes wrong; late: it is answered after a while;
- 302 to 503: refused before anything is done; 429 says when to come back, unless it is bare; 302 leads to the listing;
- drop: the connection ends before anything is done;
- lost, lost_500, torn, html, empty: all is done, and then the connection ends, or the answer is a 500, half of what it
  should be, HTML, or an empty object.
"""

BEFORE: frozenset[str] = frozenset({"302", "429", "429_bare", "500", "502", "503", "drop"})
"""Those under which nothing is done."""


@dataclass
class Faults:
    """Which come when.

    Attributes:
        queued: for the next requests, each for a method (or any, where that is empty).
        rates: how probable each fault is in any request about jobs.
        seed: of the dice.
        late_s: how late an answer is that is late.
        retry_after_s: what a 429 says.
    """

    queued: list[tuple[str, Fault]] = field(default_factory=list)
    rates: dict[Fault, float] = field(default_factory=dict)
    seed: int = 0
    late_s: float = 1.0
    retry_after_s: int = 1

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._dice = random.Random(self.seed)

    def next(self, method: str) -> Fault | None:
        with self._lock:
            for index, (wanted, fault) in enumerate(self.queued):
                if wanted in ("", method):
                    del self.queued[index]
                    return fault
            drawn = self._dice.random()
            for fault, rate in self.rates.items():
                drawn -= rate
                if drawn < 0:
                    return fault
            return None
