r"""The Fubini–Study metric tensor of a circuit, which the quantum natural gradient divides by (arXiv:1909.02108).

$g_{ij} = \mathrm{Re} (\langle \partial_i \psi | \partial_j \psi \rangle - \langle \partial_i \psi | \psi \rangle
\langle \psi | \partial_j \psi \rangle)$. A state goes through the circuit with its derivatives by all angles beside
it, as if they were a batch; the derivatives by parameters are the chain rule's matter.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ketbase.quantum.batched import kernels
from ketbase.quantum.batched.angles import Floats, Slot
from ketbase.quantum.batched.kernels import Turns
from ketbase.quantum.batched.plan import Layer, Plan
from ketbase.quantum.batched.primitives import Permutation, Phase, Rotation
from ketbase.quantum.batched.turning import own_turns, shared_turns

type Complex = NDArray[np.complex128]


def metric_tensor(plan: Plan, parameters: Floats, features: Floats, *, amplitudes: Complex | None = None) -> Floats:
    """Give the metric tensor, averaged over samples.

    Args:
        plan: of the circuit.
        parameters: in the order of `plan.angles.parameters`, radians.
        features: shape (samples, n_features), in the order of `plan.angles.features`; at least one sample.
        amplitudes: where each sample starts, shape (samples, 2^n_qubits), in place of |0…0⟩.

    Returns:
        Shape (n_parameters, n_parameters), symmetric and positive semidefinite.

    Raises:
        InvalidCircuitError: `INVALID_PARAMETER`, an angle has no finite value.
    """
    columns = _columns(plan)
    metric = np.zeros((len(parameters), len(parameters)))
    for number, sample in enumerate(features):
        start = np.zeros(1 << plan.n_qubits, np.complex128)
        if amplitudes is None:
            start[0] = 1
        else:
            start[:] = amplitudes[number]
        states = _with_derivatives(plan, columns, start, *plan.angles.values(parameters, sample[None]))
        state, by_angle = states[:, 0], states[:, 1:]
        slopes = plan.angles.jacobian(parameters, sample)[list(columns)]
        derivatives = by_angle @ slopes
        along = derivatives.conj().T @ state
        metric += (derivatives.conj().T @ derivatives - np.outer(along, along.conj())).real
    return metric / len(features)


def _columns(plan: Plan) -> dict[int, int]:
    """Give each trainable angle, by its row in `Angles.jacobian`, a column beside the state's."""
    slots = [slot for slot in plan.angles.slots.values() if slot.trainable]
    return {_row(plan, slot): number for number, slot in enumerate(slots, start=1)}


def _row(plan: Plan, slot: Slot) -> int:
    return plan.angles.n_shared + slot.number if slot.per_sample else slot.number


def _with_derivatives(plan: Plan, columns: dict[int, int], start: Complex, shared: Floats, own: Floats) -> Complex:
    """Give the final state of one sample, then its derivatives by all trainable angles, as columns."""
    tables, width = plan.tables, 1 + len(columns)
    each = np.broadcast_to(own, (len(own), width))
    turns = Turns(*shared_turns(tables, shared, np.float64), *own_turns(tables, each, np.float64))
    state, spare = np.zeros((2, len(start), width)), np.empty((2, len(start) * width))
    state[:, :, 0] = start.real, start.imag
    array = state.reshape(2, -1)
    for number, layer in enumerate(plan.layers):
        one = tables._replace(layers=tables.layers[number : number + 1])
        array, spare = kernels.forward(array, spare, width, one, turns)
        _add_generators(plan, columns, layer, array.reshape(2, -1, width))
    real, imaginary = array.reshape(2, -1, width)
    return real + 1j * imaginary


def _add_generators(plan: Plan, columns: dict[int, int], layer: Layer, states: Floats) -> None:
    """Add the derivatives by a layer's own angles: its members commute, so their generators may come after them."""
    state = states[0, :, 0] + 1j * states[1, :, 0]
    for member in layer.members:
        if isinstance(member, Permutation) or not plan.angles.slots[member.angle].trainable:
            continue
        derivative = _generated(member, state)
        column = columns[_row(plan, plan.angles.slots[member.angle])]
        states[:, :, column] += derivative.real, derivative.imag


def _generated(member: Rotation | Phase, state: Complex) -> Complex:
    """Give the derivative of a state by an angle that has just turned it."""
    rows = np.arange(len(state))
    generated: Complex
    if isinstance(member, Phase):
        generated = 1j * _signs(rows, member.strings) * state
    else:
        held = 1 if member.control is None else rows >> member.control & 1
        generated = -0.5j * held * state[rows ^ 1 << member.qubit]
        if member.axis == "y":
            generated *= -1j * _signs(rows, {1 << member.qubit: 1.0})
    return generated


def _signs(rows: NDArray[np.int64], strings: Mapping[int, float]) -> Floats:
    """Give the eigenvalue of a sum of Z strings on each row."""
    total = np.zeros(len(rows))
    for mask, coefficient in strings.items():
        total += coefficient * (1.0 - 2.0 * (np.bitwise_count(rows & mask) & 1))
    return total
