r"""Parameter-shift gradients from counts, on any backend that runs circuits.

An angle $a$ of a gate $\exp(-i a G)$ whose generator has two eigenvalues, one apart, turns every output with the
frequency 1 alone, and $f'(a) = (f(a + \pi/2) - f(a - \pi/2)) / 2$. A controlled rotation has the frequencies ½ and
1, and four terms (arXiv:2107.12390). Every gate is shifted by itself; what the shifts of all gates mean for
parameters that occur several times, or in formulas, is the chain rule's matter.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ketbase.circuits import expressions
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidError
from ketbase.quantum.batched.angles import Angles, Slot
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.training.gradients import Slopes, Spent
from ketbase.quantum.training.inputs import Floats, Inputs
from ketbase.quantum.training.runners import Runs

_ROOT = math.sqrt(2)
_TWO_TERMS = ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))
_FOUR_TERMS = (
    (math.pi / 2, (_ROOT + 1) / (4 * _ROOT)),
    (-math.pi / 2, -(_ROOT + 1) / (4 * _ROOT)),
    (3 * math.pi / 2, -(_ROOT - 1) / (4 * _ROOT)),
    (-3 * math.pi / 2, (_ROOT - 1) / (4 * _ROOT)),
)
_CONTROLLED = frozenset({"CRX", "CRY", "CRZ"})


class Turn(NamedTuple):
    """An angle of one gate that is not a number.

    Attributes:
        name: its parameter in the circuit that is run.
        slot: where its value is found.
        terms: by how much it is shifted, and the factor of the outputs there.
    """

    name: str
    slot: Slot
    terms: Sequence[tuple[float, float]]


class Shifted:
    """A circuit that is run with shots, once for each sample and each shift."""

    def __init__(
        self,
        definition: CircuitDefinition,
        parameters: Sequence[str],
        features: Sequence[str],
        observables: Observables,
        runner: Runs,
    ):
        """Write the circuit such that each gate's angle has a name of its own.

        Args:
            definition: of gates; its measurements are left out, all qubits are measured.
            parameters: in the order of all arrays.
            features: likewise.
            observables: diagonal ones.
            runner: of circuits.
        """
        formulas = [each for gate in definition.gates for each in gate.angles if _is_free(each)]
        self._angles = Angles(formulas, parameters, features)
        self._turns: list[Turn] = []
        gates = [self._renamed(gate) for gate in definition.gates if gate.type != "MEASURE"]
        self._definition = CircuitDefinition.of_gates(definition.n_qubits, gates)
        self._diagonals = observables.diagonals
        self._runner = runner

    @property
    def spent(self) -> Spent:
        """All that was executed so far."""
        return self._runner.spent

    def begin(self, dice: np.random.Generator) -> None:
        """Begin an epoch."""
        self._runner.begin(dice)

    def outputs(self, parameters: Floats, inputs: Inputs) -> Floats:
        """Estimate the outputs."""
        return self._estimated([self._values(parameters, inputs)])

    def gradient(self, parameters: Floats, inputs: Inputs, slopes: Slopes) -> tuple[Floats, Floats]:
        """Estimate outputs and gradient, from the fewest circuits: angles that nothing trains are not shifted."""
        values = self._values(parameters, inputs)
        trained = [(number, turn) for number, turn in enumerate(self._turns) if turn.slot.trainable]
        shifts = [(number, turn.slot, *term) for number, turn in trained for term in turn.terms]
        turned = (_turned(values, number, shift) for number, _, shift, _ in shifts)
        estimated = self._estimated(itertools.chain([values], turned)).reshape(1 + len(shifts), len(inputs), -1)
        outputs = estimated[0]
        wanted = slopes(outputs, slice(0, len(inputs)))
        of_shared, of_own = np.zeros(self._angles.n_shared), np.zeros((self._angles.n_own, len(inputs)))
        for (_, slot, _, factor), there in zip(shifts, estimated[1:], strict=True):
            change = factor * np.sum(wanted * there, axis=1)
            if slot.per_sample:
                of_own[slot.number] += change
            else:
                of_shared[slot.number] += change.sum()
        return outputs, self._angles.pulled_back(parameters, inputs.features, of_shared, of_own)

    def _renamed(self, gate: Gate) -> Gate:
        angles = {}
        for key, angle in gate.parameters.items():
            if not _is_free(angle):
                continue
            terms = _FOUR_TERMS if gate.type in _CONTROLLED else _TWO_TERMS
            turn = Turn(f"angle_{len(self._turns)}", self._angles.slots[angle], terms)
            self._turns.append(turn)
            angles[key] = turn.name
        return gate.model_copy(update={"parameters": {**gate.parameters, **angles}}) if angles else gate

    def _values(self, parameters: Floats, inputs: Inputs) -> Floats:
        """Give the angle of each turn, shape (batch, n_turns)."""
        if inputs.amplitudes is not None:
            raise InvalidError(
                "UNSUPPORTED_ENCODING",
                "Amplitude encoding is computed exactly only: ask for no shots, on a simulator without noise.",
                field="shots",
            )
        shared, own = self._angles.values(parameters, inputs.features)
        columns = [
            own[turn.slot.number] if turn.slot.per_sample else np.full(len(inputs), shared[turn.slot.number])
            for turn in self._turns
        ]
        return np.array(columns).reshape(len(columns), len(inputs)).T

    def _estimated(self, parts: Iterable[Floats]) -> Floats:
        """Estimate the outputs for each row of each part, one part after the other."""
        names = [turn.name for turn in self._turns]
        bindings = (dict(zip(names, map(float, row), strict=True)) for part in parts for row in part)
        return np.array(list(self._read(bindings)))

    def _read(self, bindings: Iterable[dict[str, float]]) -> Iterator[Floats]:
        for counts in self._runner.counts(self._definition, bindings):
            outcomes = [int(bits, 2) for bits in counts]
            times = np.fromiter(counts.values(), float, len(counts))
            yield self._diagonals[:, outcomes] @ times / times.sum()


def _turned(values: Floats, number: int, shift: float) -> Floats:
    found = values.copy()
    found[:, number] += shift
    return found


def _is_free(angle: float | str) -> bool:
    return isinstance(angle, str) and bool(expressions.names(angle))
