"""The checks of equivalence, in a process of their own: `verify` starts it, and ends it when its time is over.

Reads one JSON request from its standard input and writes one JSON answer. A request holds pairs of circuits without
measurements in Qiskit's QPY format, one after the other. The second one's wires begin as the first one's qubits as
`begins` says, in |0⟩ where it names none; each of the first one's qubits that is measured ends as `ends` says.
"""

import base64
import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from ketbase.quantum.programs import expanded, from_bytes, named_quarter_turns

INFIDELITY = 1e-8
"""Up to here two output states, or distributions, are always the same."""
INFIDELITY_PER_GATE = 1e-9
"""What Qiskit may leave out of a circuit for each gate, such as an `rzz` by less than 6e-5 rad."""
WEIGHT = 0.01
"""An error on one basis state moves more than that share of a basis state's mean weight in a random state."""
_SEED = 20_250

type State = NDArray[np.complex128]


class Pair(NamedTuple):
    """Two circuits to compare, and how their wires belong together."""

    first: QuantumCircuit
    second: QuantumCircuit
    begins: Sequence[int]
    ends: Mapping[int, int]

    @property
    def everything_is_measured(self) -> bool:
        """Whether each of the first circuit's qubits has an outcome."""
        return len(self.ends) == int(self.first.num_qubits)


def main() -> None:
    """Answer the request, within its memory."""
    request = json.load(sys.stdin)
    limit = _mapped_bytes() + int(request["max_memory_mb"] * 1_000_000)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(answered(request), sys.stdout)


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request: `equivalent`, or `None` and what was `said` instead; `same`; `deviation`."""
    circuits = from_bytes(base64.b64decode(request["circuits"]))
    ends = {int(qubit): end for qubit, end in request["ends"].items()}
    check = {"stabilizer": by_stabilizers, "statevector": by_statevectors, "qcec": by_qcec}[request["method"]]
    answers = [check(Pair(*both, request["begins"], ends)) for both in batched(circuits, 2, strict=True)]
    return _together(answers)


def _together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one answer that follows from several: the least favourable."""
    for answer in answers:
        if not answer["equivalent"]:
            return answer
    return {
        "equivalent": True,
        "same": "unitary" if all(answer["same"] == "unitary" for answer in answers) else "distribution",
        "deviation": max(answer["deviation"] for answer in answers),
    }


def by_stabilizers(pair: Pair) -> dict[str, Any]:
    """Compare two Clifford circuits by what they make of Pauli operators; exact.

    A circuit is the stabilizer state that it makes of one half of Bell pairs. What the first one measures at its
    end is pulled back through it, and must be a stabilizer of the second one's state.
    """
    from qiskit.quantum_info import Clifford, Pauli, StabilizerState

    n, wires = pair.first.num_qubits, pair.second.num_qubits
    twins = QuantumCircuit(n + wires)
    for qubit, wire in enumerate(pair.begins):
        twins.h(qubit)
        twins.cx(qubit, n + wire)
    twins.compose(named_quarter_turns(pair.second), qubits=range(n, n + wires), inplace=True)
    state = StabilizerState(twins)
    map_of_first = Clifford(named_quarter_turns(pair.first))

    def agrees(kind: str, qubit: int) -> bool:
        label = "".join(kind if index == qubit else "I" for index in reversed(range(n)))
        before = Pauli(label).evolve(map_of_first, frame="h").transpose()
        after = "".join(kind if index == pair.ends[qubit] else "I" for index in reversed(range(wires)))
        return bool(state.expectation_value(Pauli(after).tensor(before)) == 1)

    if not all(agrees("Z", qubit) for qubit in pair.ends):
        return {"equivalent": False}
    exact = pair.everything_is_measured and all(agrees("X", qubit) for qubit in pair.ends)
    return {"equivalent": True, "same": "unitary" if exact else "distribution", "deviation": 0.0}


def by_statevectors(pair: Pair) -> dict[str, Any]:
    """Compare what two circuits make of |0…0⟩, which is what runs, and of a random state.

    Circuits that differ agree on a state drawn at random from a continuous distribution with probability 0; how far
    they may be apart numerically is said by `tolerance`.
    """
    n, wires = pair.first.num_qubits, pair.second.num_qubits
    measured = sorted(pair.ends)
    apart, outcomes_apart = 0.0, 0.0
    for state in _trials(pair):
        first = evolved(pair.first, state)
        second = evolved(pair.second, _spread(state, pair.begins, wires))
        if pair.everything_is_measured:
            matching = _gathered(second, [pair.ends[qubit] for qubit in range(n)], wires)
            apart = max(apart, 1 - float(abs(np.vdot(first, matching))) ** 2)
        one = _marginal(first, measured, n)
        other = _marginal(second, [pair.ends[qubit] for qubit in measured], wires)
        outcomes_apart = max(outcomes_apart, 1 - float(np.sqrt(one * other).sum()) ** 2)
    if pair.everything_is_measured and apart <= tolerance(pair):
        return {"equivalent": True, "same": "unitary", "deviation": apart}
    if outcomes_apart <= tolerance(pair):
        return {"equivalent": True, "same": "distribution", "deviation": outcomes_apart}
    return {"equivalent": False, "deviation": outcomes_apart}


def tolerance(pair: Pair) -> float:
    """Return up to which infidelity two circuits do the same.

    That is what Qiskit may leave out of all their gates, but less than what an error on one basis state makes of a
    random state.
    """
    left_out = INFIDELITY_PER_GATE * (pair.first.size() + pair.second.size())
    return float(max(INFIDELITY, min(left_out, WEIGHT / 2**pair.first.num_qubits)))


def _trials(pair: Pair) -> Iterator[State]:
    """Yield |0…0⟩ and a random state: a product of single qubits' where few are measured.

    Of few qubits any two states of all together have nearly the same outcomes.
    """
    dice = np.random.default_rng(_SEED)

    def drawn(size: int) -> State:
        amplitudes = dice.normal(size=size) + 1j * dice.normal(size=size)
        return np.asarray(amplitudes / np.linalg.norm(amplitudes))

    n = pair.first.num_qubits
    state = np.zeros(2**n, dtype=np.complex128)
    state[0] = 1
    yield state
    state = np.ones(1, dtype=np.complex128)
    for size in [n] if pair.everything_is_measured else [1] * n:
        state = np.kron(state, drawn(2**size))
    yield state


def by_qcec(pair: Pair) -> dict[str, Any]:
    """Ask MQT QCEC (decision diagrams and the ZX calculus; Burgholzer and Wille, arXiv:2004.08420).

    It compares unitaries first; where these differ, what is measured may still be distributed alike (partial
    equivalence; Chen, Jiang and Hsieh, arXiv:2208.07564).
    """
    from mqt import qcec
    from mqt.core import load

    wires, bits = pair.second.num_qubits, len(pair.ends)

    def loaded(circuit: QuantumCircuit, begins: Sequence[int], ends: Mapping[int, int]) -> Any:
        whole = QuantumCircuit(wires, bits)
        whole.compose(circuit, qubits=begins, inplace=True)
        for bit, qubit in enumerate(sorted(ends)):
            whole.measure(ends[qubit], bit)
        computation = load(whole)
        for wire in set(range(wires)) - set(pair.begins):
            computation.set_circuit_qubit_ancillary(wire)
        return computation

    one = loaded(pair.first, pair.begins, {qubit: pair.begins[qubit] for qubit in pair.ends})
    other = loaded(pair.second, range(wires), pair.ends)
    for partial in (False, True):
        said = qcec.verify(
            one, other, run_simulation_checker=False, check_partial_equivalence=partial
        ).equivalence.name
        if said in ("equivalent", "equivalent_up_to_global_phase", "equivalent_up_to_phase"):
            exact = pair.everything_is_measured and not partial and said != "equivalent_up_to_phase"
            return {"equivalent": True, "same": "unitary" if exact else "distribution", "deviation": 0.0}
        if said != "not_equivalent":
            return {"equivalent": None, "said": said}
    return {"equivalent": False}


def evolved(circuit: QuantumCircuit, state: State) -> State:
    """Return what a circuit makes of a state."""
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector")
    whole = QuantumCircuit(circuit.num_qubits)
    whole.set_statevector(state)
    whole.compose(expanded(circuit, frozenset(simulator.operation_names)), inplace=True)
    whole.save_statevector()
    result = simulator.run(whole).result()
    if not result.success:
        raise MemoryError(str(result.status))
    return np.asarray(result.get_statevector())


def _spread(state: State, begins: Sequence[int], wires: int) -> State:
    """Return a state on more wires: qubit q on wire `begins[q]`, zeros on the others."""
    whole = np.zeros((2,) * wires, dtype=np.complex128)
    index: list[Any] = [0] * wires
    for wire in begins:
        index[wires - 1 - wire] = slice(None)
    # The axes that are left stand for the wires, the highest first; the state's stand for its qubits like that.
    descending = sorted(begins, reverse=True)
    axes = [len(begins) - 1 - list(begins).index(wire) for wire in descending]
    whole[tuple(index)] = state.reshape((2,) * len(begins)).transpose(axes)
    return whole.reshape(-1)


def _gathered(state: State, ends: Sequence[int], wires: int) -> State:
    """Return the part of a state where the other wires are 0, with wire `ends[q]` as qubit q."""
    index: list[Any] = [0] * wires
    for wire in ends:
        index[wires - 1 - wire] = slice(None)
    part = state.reshape((2,) * wires)[tuple(index)]
    descending = sorted(ends, reverse=True)
    axes = [descending.index(ends[qubit]) for qubit in reversed(range(len(ends)))]
    return np.asarray(part.transpose(axes).reshape(-1))


def _marginal(state: State, kept: Sequence[int], wires: int) -> NDArray[np.float64]:
    """Return the distribution of some wires' bits, `kept[0]` as the least significant."""
    whole = (np.abs(state) ** 2).reshape((2,) * wires)
    gone = tuple(wires - 1 - wire for wire in range(wires) if wire not in set(kept))
    part = whole.sum(axis=gone)
    descending = sorted(kept, reverse=True)
    axes = [descending.index(kept[position]) for position in reversed(range(len(kept)))]
    return np.asarray(part.transpose(axes).reshape(-1))


def _mapped_bytes() -> int:
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:  # only Linux says what is mapped
        return 0


if __name__ == "__main__":
    main()
