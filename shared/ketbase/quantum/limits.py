"""What a foreign text may hold, checked before anything is built from it."""

import math
import re

from ketbase.circuits.types import MAX_GATES, MAX_QASM_BYTES, MAX_QASM_QUBITS
from ketbase.errors import InvalidCircuitError

MAX_CLASSICAL_BITS = 10_000
MAX_NESTING = 200
"""How deep parentheses, brackets and braces may nest; the readers descend recursively."""
STANDARD_INCLUDES = {2: "qelib1.inc", 3: "stdgates.inc"}

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)(?:\.\d+)?\s*;")
_INCLUDE = re.compile(r"""\binclude\s*["']([^"'\n]*)["']""")
_REGISTER = re.compile(r"\b(qreg|creg)\s+\w+\s*\[\s*(\d+)\s*\]|\b(qubit|bit)\s*\[\s*(\d+)\s*\]")
_PHYSICAL = re.compile(r"\$(\d+)")
_NUMBER = re.compile(r"(?<![\w.])(?:\d[\d_]*\.?\d*|\.\d+)[eE][+-]?\d+")


def invalid(
    message: str, line: int | None = None, column: int | None = None, **details: object
) -> InvalidCircuitError:
    """Return the error of a text that is not valid OpenQASM, with the place where it is known (from 1)."""
    place = {"line": line, "column": column}
    known = {key: value for key, value in place.items() if value is not None}
    prefix = f"line {line}: " if line is not None else ""
    return InvalidCircuitError("INVALID_QASM", prefix + message, **known, **details)


def too_complex(message: str, **details: object) -> InvalidCircuitError:
    """Return the error of a circuit that reaches a bound of time, memory or gates."""
    return InvalidCircuitError("CIRCUIT_TOO_COMPLEX", message, **details)


def too_many_gates(limit: int = MAX_GATES) -> InvalidCircuitError:
    """Return the error of a circuit that expands beyond the limit."""
    return too_complex(
        f"the circuit expands to more than {limit:,} gates; that is the most a circuit may have", limit=limit
    )


def version_of(qasm: str) -> int:
    """Return 2 or 3, as the version line says; 3 where there is none.

    Raises:
        InvalidCircuitError: the version is another one, or the text is too large or nested too deep, declares
            too many bits, includes a file, or holds a number beyond the floating-point range.
    """
    if (size := len(qasm.encode(errors="replace"))) > MAX_QASM_BYTES:
        raise InvalidCircuitError(
            "CIRCUIT_TOO_LARGE",
            f"the text has {size:,} bytes; at most {MAX_QASM_BYTES:,} are read",
            bytes=size,
            limit=MAX_QASM_BYTES,
        )
    code = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), qasm)
    given = _VERSION.match(code)
    version = int(given[1]) if given else 3
    if version not in STANDARD_INCLUDES:
        raise invalid(f"OpenQASM {version} is not known; versions 2 and 3 are", _line(code, given))
    _check_includes(code, version)
    _check_registers(code)
    _check_nesting(code)
    for number in _NUMBER.finditer(code):
        if math.isinf(float(number[0].replace("_", ""))):
            raise invalid(f"{number[0]} is not a finite number", _line(code, number))
    return version


def _line(code: str, found: re.Match[str] | None) -> int | None:
    return None if found is None else code.count("\n", 0, found.start()) + 1 + _leading(found)


def _leading(found: re.Match[str]) -> int:
    return found[0][: len(found[0]) - len(found[0].lstrip())].count("\n")


def _check_includes(code: str, version: int) -> None:
    standard = STANDARD_INCLUDES[version]
    for include in _INCLUDE.finditer(code):
        if include[1] != standard:
            raise invalid(
                f'include "{include[1]}" is not available; OpenQASM {version} may include "{standard}" only',
                _line(code, include),
                include=include[1],
            )


def _check_registers(code: str) -> None:
    qubits = bits = 0
    for register in _REGISTER.finditer(code):
        kind, digits = register[1] or register[3], register[2] or register[4]
        size = _number(digits)
        if kind in ("qreg", "qubit"):
            qubits += size
        else:
            bits += size
        check_size(qubits, bits, line=_line(code, register))
    for physical in _PHYSICAL.finditer(code):
        check_size(_number(physical[1]) + 1, 0, line=_line(code, physical))


def _number(digits: str) -> int:
    return int(digits) if len(digits) < 12 else 10**12


def check_size(qubits: int, bits: int, **place: int | None) -> None:
    """Refuse more qubits or classical bits than any circuit may declare.

    Raises:
        InvalidCircuitError: `CIRCUIT_TOO_LARGE`, with the number and the limit.
    """
    for what, count, limit in (
        ("qubits", qubits, MAX_QASM_QUBITS),
        ("classical bits", bits, MAX_CLASSICAL_BITS),
    ):
        if count > limit:
            raise InvalidCircuitError(
                "CIRCUIT_TOO_LARGE",
                f"the circuit declares {count:,} {what}; at most {limit:,} are possible",
                count=count,
                limit=limit,
                **{key: value for key, value in place.items() if value is not None},
            )


def _check_nesting(code: str) -> None:
    depth, line = 0, 1
    for character in code:
        if character in "([{":
            depth += 1
            if depth > MAX_NESTING:
                raise too_complex(
                    f"line {line}: brackets nest deeper than {MAX_NESTING}", line=line, limit=MAX_NESTING
                )
        elif character in ")]}":
            depth -= 1
        elif character == "\n":
            line += 1
