"""SciPy's optimizers, one question at a time: they can be left after any answer, and gone on with later.

They cannot be stopped in their middle, so a run of one is repeated: it is given all the answers it had before, and
as it asks the very same questions again, it then stands where it stood.
"""

import queue
import threading
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

type Floats = NDArray[np.float64]

_UNLIMITED = 10_000_000
"""The number of epochs is the caller's matter."""


class Answer(NamedTuple):
    """What a function is at the point that was asked for.

    Attributes:
        value: of the loss.
        gradient: empty, where only values are asked for.
    """

    value: float
    gradient: Floats


class _LeftError(Exception):
    """Nobody listens any more."""


class Conversation:
    """A minimisation in a thread of its own, which asks for a function's values."""

    def __init__(self, method: Literal["l-bfgs-b", "cobyla"], start: Floats, radius: float):
        """Begin.

        Args:
            method: of SciPy.
            start: the first point, shape (n_parameters,).
            radius: how far `cobyla` looks at first.
        """
        self._questions: queue.SimpleQueue[Floats | Exception | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._minimize, args=(method, start, radius), daemon=True)
        self._thread.start()

    def question(self) -> Floats | None:
        """Wait for the next point to be asked for; `None` where the minimum is found."""
        asked = self._questions.get()
        if isinstance(asked, Exception):
            raise asked
        return asked

    def answer(self, answer: Answer) -> None:
        """Say what the function is at the point that was asked for last."""
        self._answers.put(answer)

    def close(self) -> None:
        """End it, wherever it stands."""
        self._answers.put(None)
        self._thread.join()

    def _minimize(self, method: str, start: Floats, radius: float) -> None:
        options: dict[str, Any] = (
            {"maxfun": _UNLIMITED, "maxiter": _UNLIMITED}
            if method == "l-bfgs-b"
            else {"maxiter": _UNLIMITED, "rhobeg": radius}
        )
        told = self._told if method == "l-bfgs-b" else lambda point: self._told(point)[0]
        try:
            minimize(told, start, method=method, jac=method == "l-bfgs-b", options=options)
            self._questions.put(None)
        except _LeftError:
            pass
        except Exception as problem:  # noqa: BLE001 (raised again where it is waited for)
            self._questions.put(problem)

    def _told(self, point: Floats) -> tuple[float, Floats]:
        self._questions.put(np.array(point, dtype=float))
        answer = self._answers.get()
        if answer is None:
            raise _LeftError
        return answer.value, answer.gradient
