"""The reader of OpenQASM 3: Qiskit's importer, with its defects mended.

Mended are the order of a gate's arguments (the importer sorts parameters by name), `bit == 0` as a condition,
elementary functions, powers and mixed arithmetic in angles, loop variables as indices, and errors without a line.
"""

import math
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import openqasm3
from openqasm3 import ast
from openqasm3.parser import QASM3ParsingError
from qiskit.circuit import ParameterExpression, QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit_qasm3_import import ConversionError, converter, types
from qiskit_qasm3_import.data import Scope, Symbol
from qiskit_qasm3_import.expression import ValueResolver
from qiskit_qasm3_import.state import LocalScope, State

from ketbase.circuits.types import MAX_GATES
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.limits import check_size, invalid, too_complex, too_many_gates

type _Value = tuple[Any, Any]
"""A value with its OpenQASM type."""

_FUNCTIONS = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "exp": "exp",
    "log": "log",
    "arcsin": "arcsin",
    "arccos": "arccos",
    "arctan": "arctan",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "abs": "abs",
    "sqrt": "sqrt",
}
"""OpenQASM's functions, and what `str` of Qiskit's formulas calls them, as methods of `ParameterExpression`."""
_NUMERIC = {"arcsin": math.asin, "arccos": math.acos, "arctan": math.atan}
_ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}


def read(qasm: str) -> QuantumCircuit:
    """Read OpenQASM 3.

    Raises:
        InvalidCircuitError: `INVALID_QASM`, with line and column.
    """
    try:
        program = openqasm3.parse(qasm)
    except QASM3ParsingError as problem:
        raise _syntax_error(problem) from problem
    except AttributeError as problem:  # what the parser raises for an empty text
        raise invalid("the text holds no statement") from problem
    try:
        return _Converter().convert(program).circuit
    except ConversionError as problem:
        raise _conversion_error(problem) from problem


class _Resolver(ValueResolver):  # type: ignore[misc]
    """The importer's arithmetic, with functions, powers, and angles that mix with numbers."""

    def visit_FunctionCall(self, node: ast.FunctionCall) -> _Value:  # noqa: N802
        name = node.name.name
        if name not in _FUNCTIONS or len(node.arguments) != 1:
            raise ConversionError(
                f"'{name}' is not a function of one angle; known are {', '.join(_FUNCTIONS)}", node
            )
        value, kind = self.visit(node.arguments[0])
        if not isinstance(kind, (types.Int, types.Uint, types.Float, types.Angle)):
            raise ConversionError(f"'{name}' takes a number", node)
        with _located(node):
            return _apply(_FUNCTIONS[name], value), types.Float(kind.const, None)

    def visit_BinaryExpression(self, node: ast.BinaryExpression) -> _Value:  # noqa: N802
        with _located(node):
            left, left_kind = self.visit(node.lhs)
            right, right_kind = self.visit(node.rhs)
            kinds = left_kind, right_kind
            angles = (types.Int, types.Uint, types.Float, types.Angle)
            if node.op.name not in _ARITHMETIC or not all(isinstance(kind, angles) for kind in kinds):
                return cast(_Value, super().visit_BinaryExpression(node))
            const = left_kind.const and right_kind.const
            if all(isinstance(kind, (types.Int, types.Uint)) for kind in kinds):
                return _integers(node.op.name, left, right), types.Int(const, None)
            kind = types.Angle if any(isinstance(k, types.Angle) for k in kinds) else types.Float
            return _ARITHMETIC[node.op.name](left, right), kind(const, None)


def _integers(symbol: str, left: Any, right: Any) -> Any:
    """Compute as OpenQASM 3 does with integers: a quotient is cut towards zero."""
    whole = isinstance(left, int) and isinstance(right, int)
    if symbol == "/" and whole:
        quotient = abs(left) // abs(right)
        return quotient if (left < 0) == (right < 0) else -quotient
    if symbol == "**" and whole and abs(left) > 1 and not 0 <= right <= 1_000:
        raise ValueError(f"{left} ** {right} is too large")
    return _ARITHMETIC[symbol](left, right)


def _apply(function: str, value: Any) -> Any:
    if function == "sqrt":
        return value**0.5 if isinstance(value, ParameterExpression) else math.sqrt(value)
    if isinstance(value, ParameterExpression):
        return getattr(value, function)()
    if function == "abs":
        return abs(value)
    return _NUMERIC.get(function, getattr(math, function, None))(value)  # type: ignore[misc]


class _Converter(converter.ConvertVisitor):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, int] = {}
        self._rounds = 0

    def visit(self, node: ast.QASMNode, context: State | None = None) -> Any:
        with _located(node):
            return super().visit(node, context)

    def visit_ForInLoop(self, node: ast.ForInLoop, context: State) -> State:  # noqa: N802
        """Unroll the loop, so that its variable is a known number; one that is left early stays a loop."""
        if _leaves_early(node.block) or not isinstance(node.type, (ast.IntType, ast.UintType)):
            return super().visit_ForInLoop(node, context)
        values, kind = self._resolve_generic(node.set_declaration, context, strict=True)
        if isinstance(kind, types.Range):
            if values.start is None or values.stop is None:
                raise ConversionError("the range of a loop needs a start and an end", node)
            values = range(values.start, values.stop, 1 if values.step is None else values.step)
        for value in values:
            self._rounds += 1
            if self._rounds > MAX_GATES:
                raise too_complex(
                    f"the loops run for more than {MAX_GATES:,} rounds", line=_line(node), limit=MAX_GATES
                )
            with LocalScope(context) as inner:
                variable = Symbol(node.identifier.name, value, types.Int(const=True), Scope.LOCAL, node)
                inner.symbol_table.insert(variable)
                for statement in node.block:
                    self.visit(statement, inner)
        return context

    def _resolve_generic(self, node: ast.Expression, context: State, strict: bool) -> _Value:
        with _located(node):
            return cast(_Value, _Resolver(context, strict).resolve(node))

    def _resolve_angle(self, node: ast.Expression, context: State) -> Any:
        value = super()._resolve_angle(node, context)
        if isinstance(value, (int, float)) and not math.isfinite(value):
            raise ConversionError("the angle is not a finite number", node)
        return value

    def _resolve_condition(self, node: ast.Expression, context: State) -> Any:
        try:
            return super()._resolve_condition(node, context)
        except ConversionError:
            boolean = _as_boolean_comparison(node)
            if boolean is None:
                raise
            return super()._resolve_condition(boolean, context)

    def visit_QubitDeclaration(self, node: ast.QubitDeclaration, context: State) -> State:  # noqa: N802
        size = 1 if node.size is None else self._resolve_constant_int(node.size, context)
        check_size(context.circuit.num_qubits + size, 0, line=_line(node))
        return super().visit_QubitDeclaration(node, context)

    def visit_ClassicalDeclaration(self, node: ast.ClassicalDeclaration, context: State) -> State:  # noqa: N802
        if isinstance(node.type, ast.BitType) and node.type.size is not None:
            size = self._resolve_constant_int(node.type.size, context)
            check_size(0, context.circuit.num_clbits + size, line=_line(node))
        return super().visit_ClassicalDeclaration(node, context)

    def visit_QuantumGate(self, node: ast.QuantumGate, context: State) -> State:  # noqa: N802
        symbol = context.symbol_table.get(node.name.name, node)
        if symbol is not None and isinstance(symbol.type, types.Gate):
            _check_arity(node, symbol.type)
        context = super().visit_QuantumGate(node, context)
        if len(context.circuit.data) > MAX_GATES:
            raise too_many_gates()
        return context

    def visit_QuantumGateDefinition(self, node: ast.QuantumGateDefinition, context: State) -> State:  # noqa: N802
        # The importer copies a definition into each of its uses, so what it grows to is known before it is built.
        gates = (each.name.name for each in node.body if isinstance(each, ast.QuantumGate))
        self._sizes[node.name.name] = max(1, sum(self._sizes.get(gate, 1) for gate in gates))
        if self._sizes[node.name.name] > MAX_GATES:
            raise too_many_gates()
        context = super().visit_QuantumGateDefinition(node, context)
        builder = context.symbol_table.get(node.name.name, node).data
        definition = builder._definition
        known = {parameter.name: parameter for parameter in definition.parameters}
        names = [argument.name for argument in node.arguments]
        context.symbol_table.get(node.name.name, node).data = _builder(
            node.name.name, definition, [known.get(name) for name in names]
        )
        return context


def _leaves_early(block: list[Any]) -> bool:
    """Whether a `break` or `continue` anywhere inside could be the loop's own."""
    for statement in block:
        if isinstance(statement, (ast.BreakStatement, ast.ContinueStatement)):
            return True
        inner = [getattr(statement, part, []) for part in ("if_block", "else_block", "block", "body")]
        if any(_leaves_early(part) for part in inner if isinstance(part, list)):
            return True
    return False


def _line(node: ast.QASMNode) -> int | None:
    return None if node.span is None else node.span.start_line


def _check_arity(node: ast.QuantumGate, kind: types.Gate) -> None:
    """Say how many angles a gate takes, and how many qubits where its modifiers add none."""
    name, angles, qubits = node.name.name, _how_many(kind.n_classical), _how_many(kind.n_quantum)
    if len(node.arguments) != angles:
        raise ConversionError(f"'{name}' takes {angles} angle(s), but {len(node.arguments)} are given", node)
    if not node.modifiers and len(node.qubits) != qubits:
        raise ConversionError(f"'{name}' acts on {qubits} qubit(s), but {len(node.qubits)} are given", node)


def _how_many(stated: int | list[Any]) -> int:
    """Return the number of operands: the importer states it for most gates and lists their types for `U`."""
    return stated if isinstance(stated, int) else len(stated)


def _builder(name: str, definition: QuantumCircuit, order: list[Any]) -> Any:
    """Return what builds a gate from its arguments in the order of their declaration, used or not."""
    used = [position for position, parameter in enumerate(order) if parameter is not None]
    inner = converter.GateBuilder(name, definition, [order[position] for position in used])

    def build(*arguments: Any) -> Any:
        if len(arguments) != len(order):
            raise ConversionError(f"'{name}' takes {len(order)} angle(s), but {len(arguments)} are given")
        return inner(*(arguments[position] for position in used))

    return build


def _as_boolean_comparison(node: ast.Expression) -> ast.Expression | None:
    """Turn `bit == 1` into `bit == true`: the importer knows the second only."""
    if not isinstance(node, ast.BinaryExpression):
        return None
    sides = []
    for side in (node.lhs, node.rhs):
        if isinstance(side, ast.IntegerLiteral) and side.value in (0, 1):
            literal = ast.BooleanLiteral(bool(side.value))
            literal.span = side.span
            sides.append(literal)
        else:
            sides.append(side)
    comparison = ast.BinaryExpression(op=node.op, lhs=sides[0], rhs=sides[1])
    comparison.span = node.span
    return comparison


@contextmanager
def _located(node: ast.QASMNode) -> Iterator[None]:
    """Give the node's place to errors that come without one."""
    try:
        yield
    except ConversionError as problem:
        if _has_place(problem.message):
            raise
        raise ConversionError(problem.message, node) from problem
    except (
        QiskitError,
        ArithmeticError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as problem:
        if isinstance(problem, QiskitError):
            said = problem.message
        elif isinstance(problem, (ArithmeticError, IndexError, ValueError)):
            said = str(problem)
        else:
            said = "this cannot stand here"
        raise ConversionError(said, node) from problem


def _has_place(message: str) -> bool:
    place = message.split(":", 1)[0].split(",")
    return len(place) == 2 and all(part.isdigit() for part in place)


def _conversion_error(problem: ConversionError) -> InvalidCircuitError:
    message = str(problem.message)
    if not _has_place(message):
        return invalid(message)
    place, _, said = message.partition(": ")
    line, column = (int(part) for part in place.split(","))
    return invalid(_for_people(said), line, column + 1)


def _for_people(said: str) -> str:
    if said.startswith("node of type "):
        node = said.removeprefix("node of type ").split(" ")[0]
        return f"this kind of statement is not supported here ({node})"
    if said.startswith("Symbol '") and "already inserted" in said:
        return f"{said.removeprefix('Symbol ').split(' ')[0]} is already defined"
    return said


def _syntax_error(problem: QASM3ParsingError) -> InvalidCircuitError:
    place, _, said = str(problem).partition(": ")
    if place.startswith("L") and ":C" in place:
        line, column = (int(part) for part in place[1:].split(":C"))
        return invalid(said, line, column + 1)
    recognition = problem.__cause__.args[0] if problem.__cause__ and problem.__cause__.args else None
    token = getattr(recognition, "offendingToken", None)
    if token is None:
        return invalid("this is not OpenQASM 3")
    found = "the end of the text" if token.text == "<EOF>" else f"'{token.text[:40]}'"
    return invalid(f"{found} cannot stand here", token.line, token.column + 1)
