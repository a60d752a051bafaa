"""The ways in which a circuit can be written for a device, and how the compiler sees the device then."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from qiskit.circuit import Measure
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from ketbase.quantum.braket.calibration import Figures, Pair
from ketbase.quantum.braket.capabilities import ProgramAction
from ketbase.quantum.braket.gates import NATIVE_PAIRS, PORTABLE, PRX, RX_RZ, Writing, Written, braket_name, gate

_VERBATIM = "verbatim"
_DEAD = 1.0
"""The error of a gate that does not work."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How circuits are written for a device.

    Attributes:
        physical: whether qubits are the device's own, by their numbers; else Braket chooses them.
        verbatim: whether Braket runs the gates as they are; else it compiles them.
        writing: for each of Qiskit's gates, Braket's.
        basis: those that the compiler uses, on one qubit and on more.
        identity: a gate that does nothing.
    """

    physical: bool
    verbatim: bool
    writing: Writing = field(repr=False)
    basis: tuple[str, ...]
    identity: Written


def dialect_of(program: ProgramAction, native: Iterable[str], couplers: Iterable[Pair]) -> Dialect:
    """Choose how to write for a device.

    Verbatim wherever it is possible, in the device's native gates on the qubits that we placed the circuit on: only
    then what runs is what was compiled, verified and estimated, and gates that were folded to scale noise stay.
    That is where a machine has couplers and native gates that we know. Other machines with couplers get their
    qubits by number; all the rest, such as the simulators and trapped ions, leave the choice to Braket.
    """
    natives = {each.lower() for each in native}
    pairs = tuple(each for each in NATIVE_PAIRS if each in natives)
    physical = bool(program.support_physical_qubits) and any(True for _ in couplers)
    if physical and pairs and _VERBATIM in (program.supported_pragmas or ()):
        if "prx" in natives:
            return Dialect(True, True, {**PRX, **_of(pairs)}, ("r", *pairs), PRX["id"]())
        if {"rx", "rz"} <= natives:
            return Dialect(True, True, {**RX_RZ, **_of(pairs)}, ("rz", "sx", "x", *pairs), RX_RZ["id"]())
    supported = {each.lower() for each in program.supported_operations}
    portable = {name: how for name, how in PORTABLE.items() if braket_name(name) in supported}
    identity = portable["id"]() if "id" in portable else portable["rz"](0.0)
    if physical:
        # One gate on two qubits: what errors are known are of native ones, and Braket makes these of any.
        pair = next(name for name in ("cz", "cx") if name in portable)
        single = tuple(name for name in ("rz", "sx", "x") if name in portable)
        basis = single if len(single) == 3 else tuple(name for name in ("rx", "ry", "rz") if name in portable)
        return Dialect(True, False, portable, (*basis, pair), identity)
    return Dialect(False, False, portable, tuple(portable), identity)


def target_with_couplers(
    dialect: Dialect, qubits: tuple[int, ...], couplers: Iterable[Pair], figures: Figures | None
) -> Target:
    """Describe a device whose qubits keep their own numbers; one that no qubit has is without operations."""
    n_qubits = max(qubits) + 1
    known = {qubit: figures.of(qubit) for qubit in qubits} if figures is not None else {}
    target = Target(
        num_qubits=n_qubits,
        qubit_properties=[
            QubitProperties(t1=known[qubit].t1_s, t2=known[qubit].t2_s) if qubit in known else QubitProperties()
            for qubit in range(n_qubits)
        ],
    )
    for name in dialect.basis:
        operation = gate(name)
        if operation.num_qubits == 1:
            free = name in ("rz", "p")  # a change of frame, not a pulse
            properties: dict[tuple[int, ...], Any] = {
                (qubit,): InstructionProperties(error=0.0 if free else known[qubit].gate_error) if known else None
                for qubit in qubits
            }
        else:
            errors = {pair: _error(dialect, figures, pair, name) for pair in couplers}
            properties = {
                ends: InstructionProperties(error=error)
                for pair, error in errors.items()
                if error is None or error < _DEAD
                for ends in (pair, pair[::-1])
            }
        if properties:
            target.add_instruction(operation, properties, name=name)
    readout = {
        (qubit,): InstructionProperties(error=known[qubit].readout_error) if known else None for qubit in qubits
    }
    target.add_instruction(Measure(), readout)
    return target


def target_without_couplers(dialect: Dialect, n_qubits: int) -> Target:
    """Describe a device whose every qubit reaches every other."""
    target = Target(num_qubits=n_qubits)
    for name in dialect.basis:
        target.add_instruction(gate(name), name=name)
    target.add_instruction(Measure())
    return target


def working(dialect: Dialect, couplers: Iterable[Pair], figures: Figures | None) -> tuple[Pair, ...]:
    """Return the couplers that a gate of ours was calibrated on, or all where the calibration names none."""
    couplers = tuple(couplers)
    if figures is None or not figures.couplers:
        return couplers
    wanted = [name for name in dialect.basis if name in NATIVE_PAIRS] if dialect.verbatim else None
    calibrated = {
        pair
        for pair, errors in figures.couplers.items()
        for name, error in errors.items()
        if error < _DEAD and (wanted is None or name in wanted)
    }
    return tuple(pair for pair in couplers if pair in calibrated) or couplers


def _error(dialect: Dialect, figures: Figures | None, pair: Pair, name: str) -> float | None:
    """The error of a gate on a pair; of one that Braket makes of native ones, that of the best of these."""
    errors = {} if figures is None else figures.couplers.get(pair, {})
    if not errors:
        return None
    return errors.get(name, _DEAD if dialect.verbatim else min(errors.values()))


def _of(pairs: Iterable[str]) -> Writing:
    return {name: NATIVE_PAIRS[name] for name in pairs}
