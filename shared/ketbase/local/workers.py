"""The processes that do the heavy steps, where the cloud has the image function."""

import json
import os
import signal
import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from ketbase.backends.catalog import backends
from ketbase.backends.experiments import Experiment
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.local.task import TaskError
from ketbase.local.template import Function, read_template
from ketbase.ports.quantum import QuantumProvider
from ketbase.processes import die_with
from ketbase.steps.ceiling import ENDED_BY_ALARM

_handlers: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a step raised, in a form that crosses between processes whatever the exception was."""

    error_type: str
    message: str


class Workers:
    """A pool of processes with the quantum room imported; each takes one step at a time.

    A step that runs too long or is cancelled has its process killed, and a new one takes its place.
    """

    def __init__(self, folder: Path, count: int):
        """Start the pool.

        Args:
            folder: the checkout.
            count: how many processes, at least one.
        """
        self._pool = ProcessPool(
            max_workers=count,
            initializer=_begin,
            initargs=[folder, os.getpid()],
            context=get_context("spawn"),
        )

    def warm(self) -> None:
        """Let the processes begin to import what they need, and one to compile, without waiting for it."""
        self._pool.schedule(_compile)

    def call(self, function: Function, payload: bytes, stop: threading.Event) -> bytes:
        """Do one step.

        Args:
            function: whose handler to call.
            payload: JSON.
            stop: set from outside to end the step.

        Raises:
            TaskError: the handler raised, with the name of its exception; `States.Timeout`; `Runtime.ExitError`, it
                reached its ceiling; or `WorkerDied`.
        """
        try:
            future = self._pool.schedule(_call, [function.name, payload], timeout=function.timeout_s)
            threading.Thread(target=_cancel_on, args=(stop, future), daemon=True).start()
            answer: bytes | _Raised = future.result()
        except TimeoutError as problem:
            raise TaskError("States.Timeout", f"no answer within {function.timeout_s} s") from problem
        except ProcessExpired as problem:
            if problem.exitcode == -signal.SIGALRM:  # as Lambda would tell it
                raise TaskError("Runtime.ExitError", f"Runtime exited with error: {ENDED_BY_ALARM}") from problem
            raise TaskError("WorkerDied", f"the process that did the step is gone: {problem}") from problem
        except (CancelledError, RuntimeError) as problem:
            raise TaskError("WorkerDied", f"the process that did the step is gone: {problem}") from problem
        if isinstance(answer, _Raised):
            raise TaskError(answer.error_type, answer.message)
        return answer

    def close(self) -> None:
        """Kill what still runs; the journal knows what to do again."""
        self._pool.stop()
        self._pool.join(timeout=5)


def _cancel_on(stop: threading.Event, future: Any) -> None:
    while not future.done():
        if stop.wait(0.1):
            future.cancel()
            return


def _begin(folder: Path, parent: int) -> None:
    """Prepare a worker process: it leaves Ctrl-C to its parent, and dies with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    functions = read_template(folder).functions.values()
    _handlers.update({f.name: f.handler() for f in functions if f.image and not f.route})
    from ketbase.runtime import observability, wiring
    from ketbase.runtime.settings import settings

    observability.log_to(settings().data / observability.LOG)
    threading.Thread(target=_warm, args=(wiring.provider(),), daemon=True).start()


def _warm(provider: QuantumProvider) -> None:
    """Compile one gate for a device, so that the first user does not wait for the snapshots to be imported."""
    gate = CircuitDefinition.of_gates(1, [Gate(type="H", targets=(0,))])
    device = backends()["fake_fez"]
    provider.compile(gate, backend=device, experiment=Experiment(), seed=0, optimization_level=0)


def _compile() -> None:
    """Have the loops compiled beside the first steps; all processes read what is kept."""
    from ketbase.quantum.ahead import compile_all

    threading.Thread(target=compile_all, daemon=True).start()


def _call(name: str, payload: bytes) -> bytes | _Raised:
    try:
        return json.dumps(_handlers[name](json.loads(payload), None)).encode()
    except Exception as problem:  # noqa: BLE001 (it crosses to the workflow as a task's error)
        return _Raised(type(problem).__name__, str(problem))
