"""What angles come to in the kernels: cosines and sines, of rotations and of each row's phases."""

import numpy as np

from ketbase.quantum.batched import kernels
from ketbase.quantum.batched.kernels import Floats, Reals, Tables

type Real = type[np.floating]


def shared_turns(tables: Tables, angles: Floats, real: Real) -> tuple[Reals, Reals]:
    """Give `kernels.Turns.factors` and `shared` of the shared angles, radians, shape (n_shared,)."""
    n_tables = int(tables.strings[-1, 0]) + 1 if len(tables.strings) else 0
    factors = np.empty((n_tables, 2, tables.destinations.shape[1]), real)
    kernels.phase_factors(tables, angles, factors)
    return factors, _turned(angles / 2, real)


def own_turns(tables: Tables, angles: Floats, real: Real) -> tuple[Reals, Reals]:
    """Give `kernels.Turns.own` and `phases` of each sample's own angles, radians, shape (n_own, width)."""
    return _turned(angles / 2, real), _turned(angles[tables.phases[:, 1]] * tables.coefficients[:, None], real)


def _turned(angles: Floats, real: Real) -> Reals:
    return np.array([np.cos(angles), np.sin(angles)], real)
