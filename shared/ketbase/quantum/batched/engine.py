r"""Runs a plan for many samples at once: states, expectation values, and the gradients of all its parameters.

The gradient is the adjoint one (arXiv:2009.02823), for a whole batch: with the outputs $o_{bk} = \langle \psi_b |
O_k | \psi_b \rangle$ and the loss's slopes $g_{bk}$, each sample's $\sum_k g_{bk} O_k | \psi_b \rangle$ is taken
back through the circuit beside $| \psi_b \rangle$, once, whatever the number of outputs and parameters.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.batched import kernels
from ketbase.quantum.batched.angles import Floats
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import Plan

type Precision = Literal["complex64", "complex128"]
type Complex = NDArray[np.complex128]
type Slopes = Callable[[Floats, slice], Floats]
"""Takes outputs, shape (samples, n_outputs), and which samples they are of, and gives the loss's derivatives."""

_REAL = {"complex64": np.float32, "complex128": np.float64}
_AMPLITUDES = 1 << 12
"""How many amplitudes of all its samples together a part of a batch has, where it can: three states of them fit a
core's second-level cache."""
_NARROWEST, _WIDEST = 4, 32
"""The fewest samples side by side that fill a vector register, and the most that are of use."""


class _Prepared(NamedTuple):
    shared: NDArray[np.floating]
    own: Floats
    factors: NDArray[np.floating]


class Engine:
    """A plan and what is read out of it.

    Everything is computed part by part, a few samples side by side; parts do not depend on the number of threads, so
    that neither do the results, to the last bit.
    """

    def __init__(
        self,
        plan: Plan,
        observables: Observables,
        *,
        precision: Precision = "complex128",
        threads: int | None = None,
    ):
        """Wire an engine.

        Args:
            plan: of the circuit.
            observables: its outputs.
            precision: of the amplitudes; angles and gradients are always added up in double precision.
            threads: how many parts are computed at a time; as many as there are cores, where it is not said.
        """
        self.plan = plan
        self.observables = observables
        self._real = _REAL[precision]
        self._diagonals = observables.diagonals.astype(self._real)
        self._threads = threads or os.process_cpu_count() or 1
        self._pool: ThreadPoolExecutor | None = None
        self._rooms = threading.local()

    def states(self, parameters: Floats, features: Floats) -> Complex:
        """Give the state of each sample, shape (batch, 2^n_qubits).

        Args:
            parameters: in the order of `plan.angles.parameters`, radians.
            features: shape (batch, n_features), in the order of `plan.angles.features`.
        """
        prepared = self._prepared(parameters, features)
        found = np.empty((len(features), 1 << self.plan.n_qubits), dtype=np.result_type(self._real, np.complex64))

        def one(part: slice) -> None:
            state, _, width = self._forward(prepared, part)
            rows = state.reshape(2, -1, width)
            found[part].real, found[part].imag = rows[0].T, rows[1].T

        self._each(one, len(features))
        return found

    def outputs(self, parameters: Floats, features: Floats) -> Floats:
        """Give the expectation values of each sample, shape (batch, n_observables); arguments as in `states`."""
        prepared = self._prepared(parameters, features)
        found = np.empty((len(features), len(self.observables)))

        def one(part: slice) -> None:
            state, _, width = self._forward(prepared, part)
            found[part] = self._read(state, width).T

        self._each(one, len(features))
        return found

    def gradient(self, parameters: Floats, features: Floats, slopes: Slopes) -> tuple[Floats, Floats]:
        """Give the outputs, and the gradient of a loss that is a sum over samples.

        Args:
            parameters: as in `states`.
            features: as in `states`.
            slopes: the loss's derivatives by the outputs of some samples; called from several threads.

        Returns:
            Outputs, shape (batch, n_observables), and the gradient, shape (n_parameters,).
        """
        angles, tables = self.plan.angles, self.plan.tables
        prepared = self._prepared(parameters, features)
        outputs = np.empty((len(features), len(self.observables)))
        parts = self._parts(len(features))
        of_shared = np.zeros((len(parts), angles.n_shared))
        of_own = np.zeros((angles.n_own, len(features)))
        overlaps = np.zeros((len(parts), *tables_shape(prepared)))
        first = tables.first_trainable

        def one(part: slice, number: int) -> None:
            ket, spare, width = self._forward(prepared, part)
            outputs[part] = self._read(ket, width).T
            wanted = np.ascontiguousarray(np.asarray(slopes(outputs[part], part)).T)
            bra = self._room(2, width)
            self._bra(ket, width, wanted, bra)
            here = np.zeros((angles.n_own, width))
            kernels.backward(
                ket,
                bra,
                spare,
                width,
                tables.layers[first:],
                tables.rotations,
                tables.phases,
                tables.coefficients,
                tables.destinations,
                prepared.factors,
                prepared.shared,
                *self._own(prepared, part),
                overlaps[number],
                of_shared[number],
                here,
            )
            of_own[:, part] = here

        self._each(one, len(features))
        total, rows = of_shared.sum(axis=0), overlaps.sum(axis=0)
        kernels.phase_gradient(tables.strings, tables.weights, rows, total)
        return outputs, angles.pulled_back(parameters, features, total, of_own)

    # --- Parts of a batch ---

    def _parts(self, batch: int) -> list[slice]:
        width = min(max(_AMPLITUDES >> self.plan.n_qubits, _NARROWEST), _WIDEST, max(batch, 1))
        return [slice(first, min(first + width, batch)) for first in range(0, batch, width)]

    def _each(self, work: Callable[..., None], batch: int) -> None:
        parts = self._parts(batch)
        numbered = list(enumerate(parts))
        takes_number = work.__code__.co_argcount == 2

        def some(first: int) -> None:
            for number, part in numbered[first :: self._threads]:
                work(part, number) if takes_number else work(part)

        if self._threads == 1 or len(parts) == 1:
            some(0) if self._threads == 1 else [work(p, n) if takes_number else work(p) for n, p in numbered]
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads - 1, thread_name_prefix="engine")
        others = [self._pool.submit(some, first) for first in range(1, min(self._threads, len(parts)))]
        some(0)
        for other in others:
            other.result()

    # --- One part ---

    def _prepared(self, parameters: Floats, features: Floats) -> _Prepared:
        tables = self.plan.tables
        shared, own = self.plan.angles.values(parameters, features)
        n_tables = int(tables.strings[-1, 0]) + 1 if len(tables.strings) else 0
        factors = np.empty((n_tables, 2, 1 << self.plan.n_qubits), dtype=self._real)
        kernels.phase_tables(tables.strings, tables.weights, shared, factors)
        return _Prepared(np.array([np.cos(shared / 2), np.sin(shared / 2)]).astype(self._real), own, factors)

    def _own(self, prepared: _Prepared, part: slice) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        own, tables = prepared.own[:, part], self.plan.tables
        strings = own[tables.phases[:, 1]] * tables.coefficients[:, None]
        return tuple(np.array([np.cos(angles), np.sin(angles)]).astype(self._real) for angles in (own / 2, strings))

    def _room(self, number: int, width: int) -> NDArray[np.floating]:
        """Give the thread's own room for a state; its content is whatever was left there."""
        rooms = self._rooms.__dict__.setdefault("rooms", {})
        size = width << self.plan.n_qubits
        if number not in rooms or rooms[number].shape[1] != size:
            rooms[number] = np.empty((2, size), dtype=self._real)
        return rooms[number]

    def _forward(self, prepared: _Prepared, part: slice) -> tuple[NDArray[np.floating], NDArray[np.floating], int]:
        tables, width = self.plan.tables, part.stop - part.start
        state, spare = self._room(0, width), self._room(1, width)
        state[...] = 0
        state[0, :width] = 1
        state, spare = kernels.forward(
            state,
            spare,
            width,
            tables.layers,
            tables.rotations,
            tables.phases,
            tables.destinations,
            prepared.factors,
            prepared.shared,
            *self._own(prepared, part),
        )
        return state, spare, width

    def _read(self, state: NDArray[np.floating], width: int) -> Floats:
        outputs = np.zeros((len(self.observables), width))
        kernels.diagonal_outputs(state, width, self._diagonals, outputs)
        for each in self.observables.strings:
            factor = each.factor
            kernels.string_outputs(
                state, width, each.flips, each.signs, factor.real, factor.imag, outputs[each.observable]
            )
        return outputs

    def _bra(self, state: NDArray[np.floating], width: int, slopes: Floats, bra: NDArray[np.floating]) -> None:
        slopes = slopes.astype(self._real)
        kernels.diagonal_bra(state, width, self._diagonals, slopes, bra)
        for each in self.observables.strings:
            factor = each.factor
            kernels.string_bra(
                state, width, each.flips, each.signs, factor.real, factor.imag, slopes[each.observable], bra
            )


def tables_shape(prepared: _Prepared) -> tuple[int, int]:
    """Give the number of layers of shared phases and of rows."""
    n_tables, _, n_rows = prepared.factors.shape
    return n_tables, n_rows
