"""Starts the cloud as a process of its own, and steers it."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import servers
from tests.standins.ionq.faults import Fault

KEY = "ionq-key-for-tests"
_ROOT = Path(__file__).resolve().parents[3]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Ionq:
    """A running cloud.

    Attributes:
        url: of the API, such as KETBASE_IONQ_URL takes.
        key: the valid one, such as KETBASE_IONQ_API_KEY takes.
    """

    root: str
    key: str = KEY

    @property
    def url(self) -> str:
        return f"{self.root}/v0.4"

    def accepted(self) -> dict[str, int]:
        """How many jobs were taken under each name, which is our tag."""
        return dict(self._ask("GET", "accepted"))

    def requests(self) -> dict[str, int]:
        """How often each route was asked, faults included."""
        return dict(self._ask("GET", "requests"))

    def met(self) -> dict[str, int]:
        """How many requests met each fault."""
        return dict(self._ask("GET", "faults"))

    def fail_next(self, *faults: Fault, method: str = "", **how: Any) -> None:
        """Let the next requests with a method meet these faults, one each."""
        self._ask("PUT", "faults", {"queued": [(method, fault) for fault in faults], **how})

    def fail_often(self, rates: dict[Fault, float], seed: int = 0, **how: Any) -> None:
        """Let any request about jobs meet faults with these probabilities."""
        self._ask("PUT", "faults", {"rates": rates, "seed": seed, **how})

    def behave(self, **course: Any) -> None:
        """Change how jobs go (`store.Course`)."""
        self._ask("PUT", "course", course)

    def give_pages_of(self, limit: int, *, oldest_first: bool = False) -> None:
        """Give at most so many jobs of a listing at once."""
        self._ask("PUT", "pages", {"page_limit": limit, "oldest_first": oldest_first})

    def reset(self) -> None:
        """Be as after the start, all jobs kept."""
        self._ask("PUT", "reset")

    def _ask(self, method: str, what: str, said: Any = None) -> Any:
        body = None if said is None else json.dumps(said).encode()
        with _DIRECT.open(urllib.request.Request(f"{self.root}/standin/{what}", body, method=method)) as answer:
            return json.load(answer)


@contextmanager
def running(data: Path, more: Sequence[str] = ()) -> Iterator[Ionq]:
    """Run the cloud over the jobs that a file keeps, until the context ends."""
    port = servers.free_port()
    root = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tests.standins.ionq", "--port", str(port), "--data", str(data), *more]
    with servers.process(command, {}, f"{root}/standin/ready", cwd=_ROOT):
        yield Ionq(root)
