"""Quantum natural gradient (arXiv:1909.02108): steps measured by how much they change the states."""

from collections.abc import Callable

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.metric import metric_tensor
from ketbase.quantum.training.inputs import Floats, Labelled

_DAMPING = 0.01
"""Added to the metric's diagonal, whose entries are ¼ for a rotation, so that no step grows beyond bounds."""


def natural_gradient(engine: Engine) -> Callable[[Floats, Labelled, Floats], Floats]:
    """Give what divides a gradient by the Fubini–Study metric, averaged over samples."""
    # Products of matrices this small wait for a second thread longer than they take: 20 times on a busy machine.
    threads = ThreadpoolController()

    def divided(parameters: Floats, part: Labelled, gradient: Floats) -> Floats:
        inputs = part.inputs
        with threads.limit(limits=1, user_api="blas"):
            metric = metric_tensor(engine.plan, parameters, inputs.features, amplitudes=inputs.amplitudes)
            return np.linalg.solve(metric + _DAMPING * np.eye(len(metric)), gradient)

    return divided
