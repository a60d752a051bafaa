"""Quantum natural gradient (arXiv:1909.02108): steps measured by how much they change the states."""

from collections.abc import Callable

import numpy as np

from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.metric import metric_tensor
from ketbase.quantum.training.inputs import Floats, Labelled

_DAMPING = 0.01
"""Added to the metric's diagonal, whose entries are ¼ for a rotation, so that no step grows beyond bounds."""


def natural_gradient(engine: Engine) -> Callable[[Floats, Labelled, Floats], Floats]:
    """Give what divides a gradient by the Fubini–Study metric, averaged over samples."""

    def divided(parameters: Floats, part: Labelled, gradient: Floats) -> Floats:
        found = metric_tensor(engine.plan, parameters, part.inputs.features, amplitudes=part.inputs.amplitudes)
        return np.linalg.solve(found + _DAMPING * np.eye(len(found)), gradient)

    return divided
