"""Circuits with a certain answer, as users would write them."""

import math
import random


def ghz_json(n_qubits: int) -> dict:
    gates = [{"type": "H", "targets": [0]}]
    gates += [{"type": "CNOT", "targets": [q, q + 1]} for q in range(n_qubits - 1)]
    return {"n_qubits": n_qubits, "gates": gates}


def ghz_qasm(n_qubits: int) -> str:
    entangle = "\n".join(f"cx q[{q}], q[{q + 1}];" for q in range(n_qubits - 1))
    return f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[{n_qubits}] q;\nbit[{n_qubits}] c;\nh q[0];\n{entangle}\nc = measure q;\n'


def fourier_and_back(n_qubits: int, number: int) -> str:
    """The Fourier state of |number⟩ from single-qubit gates, then the inverse QFT: it ends in |number⟩."""
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{n_qubits}] q;", f"bit[{n_qubits}] c;"]
    for q in range(n_qubits):
        lines += [f"h q[{q}];", f"p({2 * math.pi * number * 2**q / 2**n_qubits}) q[{q}];"]
    lines += [f"swap q[{q}], q[{n_qubits - 1 - q}];" for q in range(n_qubits // 2)]
    for q in range(n_qubits):
        lines += [f"cp({-math.pi / 2 ** (q - other)}) q[{other}], q[{q}];" for other in range(q)]
        lines += [f"h q[{q}];"]
    return "\n".join([*lines, "c = measure q;", ""])


def bernstein_vazirani(secret: str) -> str:
    """OpenQASM 2; it ends in `secret`, whose rightmost character belongs to qubit 0."""
    n = len(secret)
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{n + 1}];", f"creg c[{n}];"]
    lines += [f"x q[{n}];", *(f"h q[{q}];" for q in range(n + 1))]
    lines += [f"cx q[{q}], q[{n}];" for q in range(n) if secret[n - 1 - q] == "1"]
    lines += [f"h q[{q}];" for q in range(n)]
    lines += [f"measure q[{q}] -> c[{q}];" for q in range(n)]
    return "\n".join([*lines, ""])


def entangled(n_qubits: int, layers: int) -> str:
    """Without structure that a simulator could use: as slow as its size says."""
    chance = random.Random(n_qubits)
    lines = []
    for _ in range(layers):
        order = chance.sample(range(n_qubits), n_qubits)
        lines += [f"t q[{q}]; h q[{q}];" for q in order]
        lines += [f"cz q[{a}], q[{b}];" for a, b in zip(order[::2], order[1::2], strict=False)]
    return "\n".join(["OPENQASM 3.0;", 'include "stdgates.inc";', f"qubit[{n_qubits}] q;", *lines, ""])
