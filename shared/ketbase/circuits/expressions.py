"""Angles that are formulas over named parameters, such as `2*theta_0 + pi/2`."""

import ast
import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

MAX_LENGTH = 400
"""The most characters a formula may have."""

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e}
_FUNCTIONS = ("sin", "cos", "tan", "exp", "log", "abs", "asin", "acos", "atan")
_LONG_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
"""What symbolic values call these functions."""


@functools.lru_cache(maxsize=10_000)
def names(formula: str) -> frozenset[str]:
    """Return the parameters of a formula, having checked that it holds nothing but arithmetic.

    Raises:
        ValueError: not a formula: says what was found and what may stand there.
    """
    found: set[str] = set()

    def note(name: str) -> float:
        found.add(name)
        return 1.0

    _walk(_parse(formula), note, lambda _function, _value: 1.0, dry=True)
    return frozenset(found)


def evaluate(formula: str, values: Mapping[str, Any]) -> Any:
    """Evaluate a formula with a value for each of its parameters.

    Args:
        formula: as accepted by `names`.
        values: numbers, or objects that behave like numbers and know the elementary functions as methods.

    Raises:
        ValueError: not a formula, a parameter without a value, or arithmetic that has no finite result.
    """

    if missing := names(formula) - set(values):
        raise ValueError(f"parameter {min(missing)!r} has no value")

    def apply(function: str, value: Any) -> Any:
        method = getattr(value, function, None) or getattr(value, _LONG_NAMES.get(function, function), None)
        if method is not None:
            return method()
        return abs(value) if function == "abs" else getattr(math, function)(value)

    try:
        result = _walk(_parse(formula), values.__getitem__, apply, dry=False)
    except (ArithmeticError, TypeError, ValueError) as problem:
        raise ValueError(f"{formula!r} has no value here: {problem}") from problem
    if isinstance(result, complex) or (isinstance(result, float) and not math.isfinite(result)):
        raise ValueError(f"{formula!r} has no value here: the result is {result}")
    return result


def _parse(formula: str) -> ast.expr:
    if len(formula) > MAX_LENGTH:
        raise ValueError(f"a formula has at most {MAX_LENGTH} characters, this one has {len(formula)}")
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        raise ValueError(f"{formula!r} is not a formula over named parameters") from problem


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number in the formula is beyond the floating-point range")
    return number


def _walk(node: ast.expr, look_up: Callable[[str], Any], apply: Callable[[str, Any], Any], *, dry: bool) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _finite(value)
        case ast.Name(id=name):
            return _CONSTANTS[name] if name in _CONSTANTS else look_up(name)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_walk(operand, look_up, apply, dry=dry))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            sides = _walk(left, look_up, apply, dry=dry), _walk(right, look_up, apply, dry=dry)
            return 1.0 if dry else _OPERATORS[type(op)](*sides)
        case ast.Call(func=ast.Name(id=function), args=[argument], keywords=[]) if function in _FUNCTIONS:
            return apply(function, _walk(argument, look_up, apply, dry=dry))
        case _:
            allowed = f"numbers, names, + - * / **, pi, and {', '.join(_FUNCTIONS)}"
            raise ValueError(f"{ast.unparse(node)!r} cannot stand in a formula; allowed are {allowed}")
