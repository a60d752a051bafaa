"""First-order optimizers as functions of a state that is arrays, so that it can be kept and gone on from."""

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ketbase.training.types import Schedule

type Floats = NDArray[np.float64]
type State = dict[str, Floats]
type Step = Callable[[Floats, float, State, float], Floats]

_EPSILON = 1e-8
_ADAM_DECAY = (0.9, 0.999)
_RMSPROP_DECAY = 0.9
_SPSA_DECAY = 0.602
_SPSA_SETTLING = 10.0
"""For about so many steps the gain stays near its beginning."""
_SPSA_SHIFT, _SPSA_SHIFT_DECAY = 0.2, 0.101


def begun(optimizer: str, n_parameters: int) -> State:
    """Give the state before the first step."""
    arrays = {"adam": ("first", "second"), "sgd": ("velocity",), "rmsprop": ("square",)}.get(optimizer, ())
    return {"steps": np.zeros(()), **{name: np.zeros(n_parameters) for name in arrays}}


def stepped(optimizer: str, gradient: Floats, rate: float, state: State, momentum: float) -> Floats:
    """Give what the parameters change by, and take the step down in the state.

    Args:
        optimizer: by name; `qng` and `spsa` get their gradients ready, the one divided by the metric.
        gradient: of the loss, shape (n_parameters,).
        rate: the learning rate of this step.
        state: from `begun`; changed.
        momentum: of `sgd`.
    """
    state["steps"] = state["steps"] + 1
    return _STEPS[optimizer](gradient, rate, state, momentum)


def perturbation(optimizer: str, state: State) -> float:
    """Give how far each parameter is moved, in radians, for the points that the next gradient is estimated from.

    The optimizer `spsa` looks ever closer (J. C. Spall, IEEE Trans. Aerosp. Electron. Syst. 34, 817, 1998).
    """
    steps = state["steps"] if optimizer == "spsa" else 0.0
    return float(_SPSA_SHIFT / (steps + 1) ** _SPSA_SHIFT_DECAY)


def _adam(gradient: Floats, rate: float, state: State, _momentum: float) -> Floats:
    first, second = _ADAM_DECAY
    state["first"] = first * state["first"] + (1 - first) * gradient
    state["second"] = second * state["second"] + (1 - second) * gradient**2
    mean = state["first"] / (1 - first ** state["steps"])
    square = state["second"] / (1 - second ** state["steps"])
    return -rate * mean / (np.sqrt(square) + _EPSILON)


def _sgd(gradient: Floats, rate: float, state: State, momentum: float) -> Floats:
    state["velocity"] = momentum * state["velocity"] + gradient
    return -rate * state["velocity"]


def _rmsprop(gradient: Floats, rate: float, state: State, _momentum: float) -> Floats:
    state["square"] = _RMSPROP_DECAY * state["square"] + (1 - _RMSPROP_DECAY) * gradient**2
    return -rate * gradient / (np.sqrt(state["square"]) + _EPSILON)


def _spsa(gradient: Floats, rate: float, state: State, _momentum: float) -> Floats:
    gain = ((_SPSA_SETTLING + 1) / (_SPSA_SETTLING + state["steps"])) ** _SPSA_DECAY
    return -rate * gain * gradient


def _plain(gradient: Floats, rate: float, _state: State, _momentum: float) -> Floats:
    return -rate * gradient


_STEPS: Mapping[str, Step] = {"adam": _adam, "sgd": _sgd, "rmsprop": _rmsprop, "spsa": _spsa, "qng": _plain}
FIRST_ORDER = frozenset(_STEPS)
"""The optimizers that take a step for each mini-batch; the others see the whole training part at once."""


def learning_rate(schedule: Schedule, first: float, epoch: int, epochs: int) -> float:
    """Give the learning rate of an epoch, counted from 1."""
    match schedule.type:
        case "constant":
            return first
        case "step":
            return first * schedule.factor ** ((epoch - 1) // schedule.every)
        case "exponential":
            return first * schedule.factor ** (epoch - 1)
        case "cosine":
            done = (epoch - 1) / max(epochs - 1, 1)
            return first * (schedule.factor + (1 - schedule.factor) * (1 + math.cos(math.pi * done)) / 2)
