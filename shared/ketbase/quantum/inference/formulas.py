"""A circuit's angles as text of another language, trained parameters filled in."""

import ast
import math
from collections.abc import Mapping

from ketbase.circuits.types import Angle

_CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e}


def written(angle: Angle, names: Mapping[str, str], functions: Mapping[str, str]) -> str:
    """Write an angle, all its numbers with a point and in full precision, so that no quotient is cut.

    Args:
        angle: radians, or a formula.
        names: what stands for each parameter: a number in brackets, or a name.
        functions: what each elementary function is called; the same, where it is not said.
    """
    if not isinstance(angle, str):
        return repr(float(angle))
    return ast.unparse(_Renamed(names, functions).visit(ast.parse(angle.strip(), mode="eval")).body)


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str], functions: Mapping[str, str]):
        self._names = names
        self._functions = functions

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(float(node.value))  # type: ignore[arg-type]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in _CONSTANTS:
            return ast.Constant(_CONSTANTS[node.id])
        return ast.parse(self._names[node.id], mode="eval").body

    def visit_Call(self, node: ast.Call) -> ast.Call:
        name = node.func.id  # type: ignore[attr-defined]
        called = ast.parse(self._functions.get(name, name), mode="eval").body
        return ast.Call(func=called, args=[self.visit(each) for each in node.args], keywords=[])
