"""A circuit's outputs for some samples, and the gradient of a loss of them: computed exactly, or estimated."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.training.inputs import Floats, Inputs

type Slopes = Callable[[Floats, slice], Floats]
"""See `ketbase.quantum.batched.engine.Slopes`."""


class Spent(NamedTuple):
    """What was executed; nothing, where outputs are computed exactly."""

    circuits: int = 0
    shots: int = 0


class Circuit(Protocol):
    """A circuit with what is read out of it, on what runs it."""

    @property
    def spent(self) -> Spent:
        """All that was executed so far."""

    def outputs(self, parameters: Floats, inputs: Inputs) -> Floats:
        """Give the outputs of each sample, shape (batch, n_outputs)."""

    def gradient(self, parameters: Floats, inputs: Inputs, slopes: Slopes) -> tuple[Floats, Floats]:
        """Give the outputs, and the gradient of a loss that is a sum over samples, shape (n_parameters,)."""

    def begin(self, dice: np.random.Generator) -> None:
        """Begin an epoch, the seeds of whose shots come from the dice."""


class Exact:
    """A circuit that the batched engine computes; gradients are adjoint ones."""

    spent = Spent()

    def __init__(self, engine: Engine):
        """Wire an engine, with plan and observables."""
        self._engine = engine

    def outputs(self, parameters: Floats, inputs: Inputs) -> Floats:
        """Compute the outputs."""
        return self._engine.outputs(parameters, inputs.features, amplitudes=inputs.amplitudes)

    def gradient(self, parameters: Floats, inputs: Inputs, slopes: Slopes) -> tuple[Floats, Floats]:
        """Compute outputs and gradient."""
        return self._engine.gradient(parameters, inputs.features, slopes, amplitudes=inputs.amplitudes)

    def begin(self, dice: np.random.Generator) -> None:
        """Need none."""


def simultaneous(
    circuit: Circuit,
    parameters: Floats,
    inputs: Inputs,
    loss: Callable[[Floats], float],
    shift: float,
    dice: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Estimate a gradient from two points, whatever the number of parameters (SPSA).

    Args:
        circuit: whose outputs the loss is of.
        parameters: shape (n_parameters,).
        inputs: some samples.
        loss: of their outputs.
        shift: how far each parameter is moved, one way or the other.
        dice: say which way.

    Returns:
        The mean of the outputs at both points, which stands for those between them, and the gradient.
    """
    ways = dice.choice((-1.0, 1.0), len(parameters))
    there, back = (circuit.outputs(parameters + side * shift * ways, inputs) for side in (1, -1))
    return (there + back) / 2, (loss(there) - loss(back)) / (2 * shift) * ways
