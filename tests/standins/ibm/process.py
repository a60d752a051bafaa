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

KEY = "ibm-key-for-tests"
_ROOT = Path(__file__).resolve().parents[3]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Ibm:
    """A running cloud.

    Attributes:
        key: the valid one, such as KETBASE_IBM_TOKEN takes.
    """

    root: str
    key: str = KEY

    @property
    def url(self) -> str:
        """Of the REST API, such as KETBASE_IBM_URL takes."""
        return f"{self.root}/api/v1"

    @property
    def environment(self) -> dict[str, str]:
        """By which the SDK finds the rest of this cloud."""
        return {
            "IAM_URL": self.root,
            "GLOBAL_SEARCH_URL": self.root,
            "GLOBAL_CATALOG_URL": f"{self.root}/catalog",
            "NO_PROXY": "127.0.0.1",
        }

    def accepted(self) -> dict[str, int]:
        """How many jobs were taken under each tag."""
        return dict(self._ask("GET", "accepted"))

    def requests(self) -> dict[str, int]:
        """How often each route of the REST API was asked, faults included."""
        return dict(self._ask("GET", "requests"))

    def sessions(self) -> list[dict[str, Any]]:
        """The sessions and batches that were opened."""
        return list(self._ask("GET", "sessions"))

    def posted(self) -> list[dict[str, Any]]:
        """What the jobs were that were taken, but for their params."""
        return list(self._ask("GET", "posted"))

    def fail_next(self, *faults: Fault, method: str = "", **how: Any) -> None:
        """Let the next requests about jobs with a method, or to another route, meet these faults, one each."""
        self._ask("PUT", "faults", {"queued": [(method, fault) for fault in faults], **how})

    def fail_often(self, rates: dict[Fault, float], seed: int = 0, **how: Any) -> None:
        """Let any request meet faults with these probabilities."""
        self._ask("PUT", "faults", {"rates": rates, "seed": seed, **how})

    def behave(self, **course: Any) -> None:
        """Change how jobs go (`jobs.Course`)."""
        self._ask("PUT", "course", course)

    def fill(self, instance: str, number: int) -> list[str]:
        """Put that many completed jobs into an instance, and return their ids."""
        return list(self._ask("PUT", "fill", {"instance": instance, "number": number}))

    def reset(self) -> None:
        """Be as after the start, all jobs kept."""
        self._ask("PUT", "reset")

    def _ask(self, method: str, what: str, said: Any = None) -> Any:
        body = None if said is None else json.dumps(said).encode()
        with _DIRECT.open(urllib.request.Request(f"{self.root}/standin/{what}", body, method=method)) as answer:
            return json.load(answer)


@contextmanager
def running(*more: str) -> Iterator[Ibm]:
    """Run the cloud until the context ends."""
    port = servers.free_port()
    root = f"http://127.0.0.1:{port}"
    command: Sequence[str] = [sys.executable, "-m", "tests.standins.ibm", "--port", str(port), *more]
    with servers.process(list(command), {}, f"{root}/standin/ready", cwd=_ROOT):
        yield Ibm(root)
