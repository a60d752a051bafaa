"""Finding the best circuit for a target, and making sure that it is the same circuit."""

import logging
import time

from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target

from ketbase.errors import InvalidCircuitError
from ketbase.optimize.types import MAX_NATIVE_GATES, Verification
from ketbase.quantum.limits import too_complex
from ketbase.quantum.optimization.placing import (
    BEST_LEVEL,
    Candidate,
    Finisher,
    compiled_by_qiskit,
    figures_of,
    respects,
)
from ketbase.quantum.optimization.portfolio import Found, search
from ketbase.quantum.optimization.score import estimated_success, is_calibrated
from ketbase.quantum.optimization.subject import Subject, subject_of
from ketbase.quantum.optimization.types import Optimized
from ketbase.quantum.optimization.verify import DEFAULT_LIMIT_S, DEFAULT_MEMORY_MB, verified

PLAIN_LEVEL = 1
"""Qiskit's level that results are compared with."""

_LOG = logging.getLogger(__name__)


def optimize(
    circuit: QuantumCircuit,
    target: Target,
    *,
    level: int,
    effort_s: float,
    seed: int,
    calibrated: bool | None = None,
    idle: bool = True,
    verify_s: float = DEFAULT_LIMIT_S,
    max_memory_mb: int = DEFAULT_MEMORY_MB,
) -> Optimized:
    """Compile a circuit as well as the level and the time allow, and compare the result with the circuit.

    A circuit that measures nothing gets every qubit measured at its end. A candidate that turns out to do something
    else is never returned; the next best one is.

    Args:
        circuit: what to compile. Free parameters stay free.
        target: what the machine runs, dead couplers taken out.
        level: 0 translates and routes only; 1 and 2 are Qiskit's levels and a look across what commutes; 3 searches
            for `effort_s`.
        effort_s: wall seconds of the search, without the verification and, in a process's first search, without
            some seconds of loading. Below level 3 it does not matter.
        seed: of all that is random.
        calibrated: whether the estimated success decides between candidates; `None` asks the target whether it has
            calibrated errors. Without, it is the gates on two qubits and then the depth.
        idle: whether waiting counts in the estimated success; Ketbase's simulated devices do not err while waiting.
        verify_s: wall seconds that the verification may take.
        max_memory_mb: what the verification may take.

    Raises:
        InvalidCircuitError: `UNSUPPORTED_OPERATION`, where Qiskit cannot compile the circuit for the target;
            `CIRCUIT_TOO_COMPLEX`, before the search, where it has too many gates then.
    """
    subject = subject_of(circuit)
    calibrated = is_calibrated(target) if calibrated is None else calibrated
    if level == BEST_LEVEL:
        load()
    began = time.perf_counter()
    try:
        plain = _by_qiskit(subject, target, PLAIN_LEVEL, seed)
        if (gates := plain.circuit.size()) > MAX_NATIVE_GATES:
            raise too_complex(
                f"compiled for this backend the circuit has {gates:,} gates; at most {MAX_NATIVE_GATES:,} are kept",
                limit=MAX_NATIVE_GATES,
            )
        if level == BEST_LEVEL:
            found = search(subject, target, effort_s=effort_s, seed=seed, calibrated=calibrated, idle=idle)
        else:
            found = _light(subject, target, level, seed, calibrated=calibrated, idle=idle)
    except QiskitError as problem:
        raise InvalidCircuitError(
            "UNSUPPORTED_OPERATION", f"the circuit cannot be compiled for this backend: {problem.message}"
        ) from problem
    seconds = time.perf_counter() - began
    rejected, best, verification = _first_that_is_right(
        subject, [*found.candidates, plain], verify_s, max_memory_mb
    )
    known = target if calibrated else None
    return Optimized(
        circuit=best.circuit,
        layout=best.layout,
        winner=best.name,
        candidates=found.compared,
        rejected=rejected,
        original=figures_of(circuit),
        baseline=figures_of(plain.circuit, known, idle=idle),
        optimized=figures_of(best.circuit, known, idle=idle),
        verification=verification,
        seconds=seconds,
    )


def load() -> None:
    """Load and compile what a search needs, once for each process; without a cache that takes some seconds."""
    import pytket.passes  # noqa: F401

    from ketbase.quantum.optimization.routing import rehearse

    rehearse()


def _light(subject: Subject, target: Target, level: int, seed: int, *, calibrated: bool, idle: bool) -> Found:
    """Compile at one of Qiskit's levels; above 0, also look across what commutes, and keep the better one."""
    first = _by_qiskit(subject, target, level, seed)
    candidates = [first]
    if level > 0:
        second = Finisher(target, seed=seed).polished(first)
        candidates += [second] if respects(second.circuit, target) else []

    def rank(candidate: Candidate) -> tuple[float, int, int]:
        figures = figures_of(candidate.circuit)
        success = estimated_success(candidate.circuit, target, idle=idle) if calibrated else 0.0
        return -success, figures.two_qubit_gates, figures.depth

    return Found(sorted(candidates, key=rank), len(candidates))


def _by_qiskit(subject: Subject, target: Target, level: int, seed: int) -> Candidate:
    return compiled_by_qiskit(
        f"qiskit level {level}",
        subject.circuit,
        target,
        level=level,
        seed=seed,
        n_qubits=subject.circuit.num_qubits,
    )


def _first_that_is_right(
    subject: Subject, candidates: list[Candidate], verify_s: float, max_memory_mb: int
) -> tuple[int, Candidate, Verification]:
    for rejected, candidate in enumerate(candidates):
        verification = verified(
            subject.circuit, candidate.circuit, candidate.layout, limit_s=verify_s, max_memory_mb=max_memory_mb
        )
        if verification.status != "not_equivalent":
            return rejected, candidate, verification
        _LOG.error("the candidate %s is not equivalent (%s)", candidate.name, verification)
    raise RuntimeError("no candidate is equivalent to the circuit, Qiskit's own included")
