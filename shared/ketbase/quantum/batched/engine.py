r"""Runs a plan for many samples at once: states, expectation values, and the gradients of all its parameters.

The gradient is the adjoint one (arXiv:2009.02823), for a whole batch: with the outputs $o_{bk} = \langle \psi_b |
O_k | \psi_b \rangle$ and the loss's slopes $g_{bk}$, each sample's $\sum_k g_{bk} O_k | \psi_b \rangle$ is taken
back through the circuit beside $| \psi_b \rangle$, once, whatever the number of outputs and parameters.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.batched import kernels
from ketbase.quantum.batched.angles import Floats
from ketbase.quantum.batched.kernels import Reals, Turns
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import NARROWEST, Plan
from ketbase.quantum.batched.turning import own_turns, shared_turns

type Precision = Literal["complex64", "complex128"]
type Complex = NDArray[np.complexfloating]
type Slopes = Callable[[Floats, slice], Floats]
"""Takes outputs, shape (samples, n_outputs), and which samples they are of, and gives the loss's derivatives."""

_REAL: dict[Precision, type[np.floating]] = {"complex64": np.float32, "complex128": np.float64}
_AMPLITUDES = 1 << 12
"""How many amplitudes of all its samples together a part of a batch has, where it can: three states of them fit a
core's second-level cache."""
_WIDEST = 32
"""The most samples side by side that are of use."""


class _Batch(NamedTuple):
    """The input of all samples.

    Attributes:
        factors: see `ketbase.quantum.batched.kernels.Turns`.
        shared: see there.
        own: each sample's own angles, radians.
        amplitudes: where each sample starts, where it is not |0…0⟩.
    """

    factors: Reals
    shared: Reals
    own: Floats
    amplitudes: Complex | None


class _State(NamedTuple):
    """The states of a part of a batch after the last layer, and room for as much."""

    array: Reals
    spare: Reals
    width: int
    turns: Turns


class Engine:
    """A plan and what is read out of it.

    Everything is computed part by part, a few samples side by side. What the parts are does not depend on how many
    threads there are, so that no result does, to the last bit.
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
            precision: of the amplitudes, and of what one gate's slopes add up over them; angles, and the sums over
                gates and parts of the batch, are in double precision.
            threads: how many parts are computed at a time; as many as there are cores, where it is not said.
        """
        self.plan = plan
        self.observables = observables
        self._real = _REAL[precision]
        self._diagonals = observables.diagonals.astype(self._real, order="C")
        self._threads = threads or os.process_cpu_count() or 1
        self._pool = ThreadPoolExecutor(max(self._threads - 1, 1), thread_name_prefix="engine")
        self._rooms = threading.local()

    def states(self, parameters: Floats, features: Floats, *, amplitudes: Complex | None = None) -> Complex:
        """Give the state of each sample, shape (batch, 2^n_qubits).

        Args:
            parameters: in the order of `plan.angles.parameters`, radians.
            features: shape (batch, n_features), in the order of `plan.angles.features`.
            amplitudes: where each sample starts, shape (batch, 2^n_qubits), in place of |0…0⟩.

        Raises:
            InvalidCircuitError: `INVALID_PARAMETER`, an angle has no finite value.
        """
        batch = self._batch(parameters, features, amplitudes)
        found = np.empty((len(features), 1 << self.plan.n_qubits), np.result_type(self._real, np.complex64))

        def one(_: int, part: slice) -> None:
            state = self._forward(batch, part)
            rows = state.array.reshape(2, -1, state.width)
            found[part].real, found[part].imag = rows[0].T, rows[1].T

        self._each(self._parts(len(features)), one)
        return found

    def outputs(self, parameters: Floats, features: Floats, *, amplitudes: Complex | None = None) -> Floats:
        """Give the expectation values of each sample, shape (batch, n_observables); all else as for `states`."""
        batch = self._batch(parameters, features, amplitudes)
        found = np.empty((len(features), len(self.observables)))

        def one(_: int, part: slice) -> None:
            found[part] = self._read(self._forward(batch, part)).T

        self._each(self._parts(len(features)), one)
        return found

    def gradient(
        self, parameters: Floats, features: Floats, slopes: Slopes, *, amplitudes: Complex | None = None
    ) -> tuple[Floats, Floats]:
        """Give the outputs, and the gradient of a loss that is a sum over samples; all else as for `states`.

        Args:
            parameters: see there.
            features: see there.
            slopes: the loss's derivatives by the outputs of some samples; called from several threads.
            amplitudes: see there.

        Returns:
            Outputs, shape (batch, n_observables), and the gradient, shape (n_parameters,).
        """
        angles = self.plan.angles
        batch = self._batch(parameters, features, amplitudes)
        parts = self._parts(len(features))
        outputs = np.empty((len(features), len(self.observables)))
        of_shared = np.zeros((len(parts), angles.n_shared))
        of_own = np.zeros((angles.n_own, len(features)))

        def one(number: int, part: slice) -> None:
            ket = self._forward(batch, part)
            outputs[part] = self._read(ket).T
            bra = self._bra(ket, np.asarray(slopes(outputs[part], part)).T)
            overlaps = self._room("overlaps", (len(batch.factors), 1 << self.plan.n_qubits), np.float64)
            own = np.zeros((angles.n_own, ket.width))
            kernels.backward(
                ket.array,
                bra,
                ket.spare,
                ket.width,
                self.plan.tables,
                ket.turns,
                self.plan.first_trainable,
                overlaps,
                of_shared[number],
                own,
            )
            of_own[:, part] = own

        self._each(parts, one)
        return outputs, angles.pulled_back(parameters, features, of_shared.sum(axis=0), of_own)

    # --- Parts of a batch ---

    def _parts(self, batch: int) -> list[slice]:
        width = min(max(_AMPLITUDES >> self.plan.n_qubits, NARROWEST), _WIDEST)
        return [slice(first, min(first + width, batch)) for first in range(0, batch, width)]

    def _each(self, parts: Sequence[slice], work: Callable[[int, slice], None]) -> None:
        """Do the parts: each thread takes the next one that no other has taken."""
        numbers = iter(range(len(parts)))

        def some() -> None:
            for number in numbers:
                work(number, parts[number])

        others = [self._pool.submit(some) for _ in range(1, min(self._threads, len(parts)))]
        some()
        for other in others:
            if not other.cancel():
                other.result()

    # --- One part ---

    def _batch(self, parameters: Floats, features: Floats, amplitudes: Complex | None) -> _Batch:
        shared, own = self.plan.angles.values(parameters, features)
        return _Batch(*shared_turns(self.plan.tables, shared, self._real), own, amplitudes)

    def _room(self, name: str, shape: tuple[int, ...], kind: type[np.floating]) -> Reals:
        """Give an array of the thread's own; it holds whatever was left there."""
        rooms: dict[str, Reals] = self._rooms.__dict__
        if name not in rooms or rooms[name].shape != shape:
            rooms[name] = np.empty(shape, kind)
        return rooms[name]

    def _room_for_states(self, name: str, width: int) -> Reals:
        return self._room(name, (2, width << self.plan.n_qubits), self._real)

    def _forward(self, batch: _Batch, part: slice) -> _State:
        tables, width = self.plan.tables, part.stop - part.start
        state, spare = self._room_for_states("state", width), self._room_for_states("spare", width)
        if batch.amplitudes is None:
            state[...] = 0
            state[0, :width] = 1
        else:
            rows = state.reshape(2, -1, width)
            rows[0], rows[1] = batch.amplitudes[part].real.T, batch.amplitudes[part].imag.T
        turns = Turns(batch.factors, batch.shared, *own_turns(tables, batch.own[:, part], self._real))
        state, spare = kernels.forward(state, spare, width, tables, turns)
        return _State(state, spare, width, turns)

    def _read(self, state: _State) -> Floats:
        outputs = np.zeros((len(self.observables), state.width))
        kernels.diagonal_outputs(state.array, state.width, self._diagonals, outputs)
        for each in self.observables.strings:
            kernels.string_outputs(
                state.array,
                state.width,
                each.flips,
                each.signs,
                each.factor.real,
                each.factor.imag,
                outputs[each.observable],
            )
        return outputs

    def _bra(self, state: _State, slopes: Floats) -> Reals:
        """Give Σ_k g_k O_k |state⟩ for the slopes g, shape (n_observables, width)."""
        slopes = np.array(slopes, self._real, order="C")
        bra = self._room_for_states("bra", state.width)
        kernels.diagonal_bra(state.array, state.width, self._diagonals, slopes, bra)
        for each in self.observables.strings:
            kernels.string_bra(
                state.array,
                state.width,
                each.flips,
                each.signs,
                each.factor.real,
                each.factor.imag,
                slopes[each.observable],
                bra,
            )
        return bra
