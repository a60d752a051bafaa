"""Whether an optimised circuit does what the submitted one does, found out in a child process that cannot hang."""

import base64
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford
from qiskit.transpiler.passes import RemoveBarriers

from ketbase.optimize.types import Method, Verification
from ketbase.quantum.optimization.subject import subject_of
from ketbase.quantum.programs import named_quarter_turns, restricted, to_bytes, touched

DEFAULT_LIMIT_S = 30.0
DEFAULT_MEMORY_MB = 2_000

_STATES_IN_MEMORY = 5
"""How many statevectors a check holds at once, the simulator's own included."""
_AMPLITUDE_BYTES = 16
_PER_AMPLITUDE_S = 6e-9
"""What one gate takes for each amplitude, on one core of a current server; for deciding what to try first."""
_BINDINGS = 2
"""How often free parameters are given random values."""
_START_S = 5.0
"""What a child may take to start on top of its time."""


class Question(NamedTuple):
    """What is asked of the checker: see `checker`.

    Attributes:
        pairs: the same two circuits, once for every choice of values for free parameters.
    """

    pairs: list[tuple[QuantumCircuit, QuantumCircuit]]
    begins: list[int]
    ends: dict[int, int]


def verified(
    submitted: QuantumCircuit,
    optimized: QuantumCircuit,
    layout: tuple[int, ...],
    *,
    limit_s: float = DEFAULT_LIMIT_S,
    max_memory_mb: float = DEFAULT_MEMORY_MB,
) -> Verification:
    """Compare a circuit on physical qubits with the one that it was made of.

    Clifford circuits are compared by their stabilizers, whatever their size; other ones by what they make of
    |0…0⟩ and a random state, as long as these fit into memory; what is larger is given to MQT QCEC. The
    measurements say which physical qubit ends as which of the submitted ones. Free parameters get random values,
    twice: what agrees there agrees everywhere, with probability 1.

    Args:
        submitted: the circuit; where it measures nothing, as if it measured every qubit.
        optimized: the same on physical qubits, measured.
        layout: the physical qubit that each of the submitted circuit's qubits starts on.
        limit_s: wall seconds for all of it.
        max_memory_mb: what a check may take.

    Returns:
        `equivalent` or `not_equivalent` where a method decided, `not_checked` with the reason where none did.
    """
    began = time.perf_counter()

    def answer(**fields: Any) -> Verification:
        return Verification(**fields, seconds=time.perf_counter() - began)

    question = question_of(submitted, optimized, layout)
    if isinstance(question, str):
        return answer(status="not_checked", reason=question)
    if isinstance(question, Verification):
        return question
    reasons: list[str] = []
    for method in _methods(question, limit_s, max_memory_mb):
        left_s = max(limit_s - (time.perf_counter() - began), 0.0)
        said = ask(question, method, limit_s=left_s, max_memory_mb=max_memory_mb)
        if isinstance(said, str):
            reasons.append(f"{method}: {said}")
        elif said["equivalent"]:
            return answer(status="equivalent", method=method, same=said["same"], deviation=said["deviation"])
        else:
            return answer(status="not_equivalent", method=method, deviation=said.get("deviation"))
    return answer(status="not_checked", reason="; ".join(reasons))


def ask(question: Question, method: Method, *, limit_s: float, max_memory_mb: float) -> dict[str, Any] | str:
    """Have one method decide in a child process; return its answer, or why there is none."""
    request = request_for(question, method, max_memory_mb)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ketbase.quantum.optimization.checker"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=limit_s + _START_S,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not end within {limit_s:.0f} s"
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["without a word"]
        return f"it ended early ({last[0][:200]})"
    said: dict[str, Any] = json.loads(done.stdout)
    return said if said["equivalent"] is not None else f"it could not decide ({said['said']})"


def request_for(question: Question, method: Method, max_memory_mb: float) -> dict[str, Any]:
    """Return what the checker reads."""
    circuits = [circuit for pair in question.pairs for circuit in pair]
    return {
        "method": method,
        "circuits": base64.b64encode(to_bytes(circuits)).decode(),
        "begins": question.begins,
        "ends": question.ends,
        "max_memory_mb": max_memory_mb,
    }


def question_of(
    submitted: QuantumCircuit, optimized: QuantumCircuit, layout: tuple[int, ...]
) -> Question | Verification | str:
    """Return what is to be compared, or why nothing can be, or that there is nothing left to compare."""
    before, after = (subject_of(RemoveBarriers()(circuit)) for circuit in (submitted, optimized))
    if before.core is None:
        return "the circuit has resets, control flow, delays, or operations after a measurement"
    different = Verification(status="not_equivalent", reason="it does not measure what the submitted circuit does")
    if after.core is None or {bit for _, bit in before.outcomes} != {bit for _, bit in after.outcomes}:
        return different
    if len(set(layout)) != before.core.num_qubits:
        return different.model_copy(update={"reason": "its layout does not name one physical qubit for each qubit"})
    active = sorted({*touched(after.core), *layout, *(wire for wire, _ in after.outcomes)})
    position = {wire: index for index, wire in enumerate(active)}
    wire_of = {bit: position[wire] for wire, bit in after.outcomes}
    second = restricted(after.core, active)
    begins = [position[wire] for wire in layout]
    ends = {qubit: wire_of[bit] for qubit, bit in before.outcomes}
    dice = random.Random(0)
    names = sorted({*before.core.parameters, *second.parameters}, key=lambda each: each.name)
    pairs = []
    for _ in range(_BINDINGS if names else 1):
        values = {parameter.name: dice.uniform(-math.pi, math.pi) for parameter in names}
        pairs.append((_bound(before.core, values), _bound(second, values)))
    return Question(pairs, begins, ends)


def _bound(circuit: QuantumCircuit, values: dict[str, float]) -> QuantumCircuit:
    return circuit.assign_parameters({each: values[each.name] for each in circuit.parameters})


def _methods(question: Question, limit_s: float, max_memory_mb: float) -> Iterator[Method]:
    """Name the methods that may decide, the surest first."""
    first, second = question.pairs[0]
    if len(question.pairs) == 1 and _is_clifford(first) and _is_clifford(second):
        yield "stabilizer"
        return
    amplitudes = 2.0**second.num_qubits
    seconds = len(question.pairs) * amplitudes * _PER_AMPLITUDE_S * (first.size() + second.size())
    if _STATES_IN_MEMORY * _AMPLITUDE_BYTES * amplitudes <= max_memory_mb * 1e6 and seconds <= limit_s:
        yield "statevector"
    yield "qcec"


def _is_clifford(circuit: QuantumCircuit) -> bool:
    try:
        Clifford(named_quarter_turns(circuit))
    except QiskitError:
        return False
    return True
