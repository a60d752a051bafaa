"""How likely a compiled circuit is to run without an error, from the calibration of its target."""

import math
from collections.abc import Iterator
from typing import Any

from qiskit.circuit import Barrier, ControlFlowOp, QuantumCircuit
from qiskit.transpiler import Target

_MAX_ERROR = 1 - 1e-9
_FRESH = frozenset({"measure", "reset"})
"""After these a qubit is in a state of the basis, whose decay is left out."""


def is_calibrated(target: Target) -> bool:
    """Whether the target knows the error of any of its gates on two qubits."""
    return any(
        properties is not None and properties.error is not None
        for where in target.values()
        for qubits, properties in where.items()
        if qubits is not None and len(qubits) == 2
    )


def estimated_success(circuit: QuantumCircuit, target: Target, *, idle: bool = True) -> float:
    r"""Estimate the probability that nothing goes wrong.

    .. math::

        P = \prod_g (1 - \varepsilon_g) \prod_q \left(1 - r_q\right)
            \prod_w \tfrac14 \left(1 + e^{-t_w/T_1} + 2 e^{-t_w/T_2}\right)

    The first product runs over the gates with their calibrated errors (average gate infidelities, which contain the
    decoherence while the gate lasts), the second over the measurements, the third over every wait :math:`w` of a
    qubit between its first operation and its measurement: the process fidelity of amplitude damping with dephasing
    for the time :math:`t_w` (Nielsen, quant-ph/0205035). Waits are those of a schedule in which everything happens
    as late as possible, which is how IBM's machines run circuits. The first two products are the "estimated success
    probability" of Tannu and Qureshi (arXiv:1805.10224) and Nishio et al. (arXiv:1903.10963).

    It assumes independent errors and that each one spoils the outcome, so it errs on the low side;
    `benchmarks/success.py` measures how far. Blocks of control flow count as if each ran once.

    Args:
        circuit: on physical qubits, in the target's gates.
        idle: whether to count waits. Ketbase's simulated devices have no noise while a qubit waits.

    Returns:
        A number in [0, 1]. An operation without a calibrated error is taken for perfect.
    """
    clock = _Clock(target)
    log_success = 0.0
    for operation, qubits in _backwards(circuit):
        name = operation.name
        if isinstance(operation, Barrier):
            clock.align(qubits)
            continue
        properties = target[name].get(qubits) if name in target.operation_names else None
        if properties is not None and properties.error is not None:
            log_success += math.log1p(-min(max(properties.error, 0.0), _MAX_ERROR))
        duration = _duration(operation, properties, target)
        for qubit, wait in clock.run(qubits, duration):
            if idle and name not in _FRESH:
                log_success += math.log(kept(wait + (duration if name == "delay" else 0.0), qubit, target))
    return math.exp(log_success)


class _Clock:
    """A schedule made from the end backwards; times are seconds before the end."""

    def __init__(self, target: Target):
        self._begin: dict[int, float] = {}
        self._bound = [0.0] * (target.num_qubits or 0)

    def align(self, qubits: tuple[int, ...]) -> None:
        """Let nothing that is placed from now on overlap with what these qubits do later."""
        latest = max(self._bound[qubit] for qubit in qubits)
        for qubit in qubits:
            self._bound[qubit] = latest

    def run(self, qubits: tuple[int, ...], duration: float) -> Iterator[tuple[int, float]]:
        """Place an operation before all that is placed, and yield how long each qubit waits after it."""
        end = max(self._bound[qubit] for qubit in qubits)
        for qubit in qubits:
            if qubit in self._begin:
                yield qubit, end - self._begin[qubit]
            self._begin[qubit] = self._bound[qubit] = end + duration


def _backwards(
    circuit: QuantumCircuit, outer: tuple[int, ...] | None = None
) -> Iterator[tuple[Any, tuple[int, ...]]]:
    for instruction in reversed(circuit.data):
        inner = tuple(circuit.find_bit(bit).index for bit in instruction.qubits)
        qubits = inner if outer is None else tuple(outer[index] for index in inner)
        if isinstance(instruction.operation, ControlFlowOp):
            for block in instruction.operation.blocks:
                yield from _backwards(block, qubits)
        elif qubits:
            yield instruction.operation, qubits


def _duration(operation: Any, properties: Any, target: Target) -> float:
    if operation.name == "delay":
        scale = {"dt": target.dt or 0.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}
        length = operation.params[0]
        return float(length) * scale.get(operation.unit, 0.0) if isinstance(length, (int, float)) else 0.0
    return 0.0 if properties is None or properties.duration is None else float(properties.duration)


def kept(wait: float, qubit: int, target: Target) -> float:
    """Return the process fidelity of a qubit that waits for some seconds."""
    known = target.qubit_properties[qubit] if target.qubit_properties else None
    if wait <= 0 or known is None:
        return 1.0
    relaxed = math.exp(-wait / known.t1) if known.t1 else 1.0
    dephased = math.exp(-wait / min(known.t2, 2 * known.t1 if known.t1 else known.t2)) if known.t2 else 1.0
    return (1 + relaxed + 2 * dephased) / 4
