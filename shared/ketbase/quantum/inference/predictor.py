"""The port `Predictor` on the batched engine, and on simulated devices where noise is wanted."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ketbase.backends.types import BackendInfo
from ketbase.errors import InvalidError
from ketbase.models.types import ModelSpec
from ketbase.ports.inference import Scores
from ketbase.ports.quantum import QuantumProvider
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.data.preprocessing import Preprocessing
from ketbase.quantum.training.gradients import Spent
from ketbase.quantum.training.heads import Classification
from ketbase.quantum.training.inputs import Floats, Inputs

DEFAULT_SHOTS = 1_024
"""Of a simulated device, where none are asked for."""
MAX_NOISY_SAMPLES = 20
"""Of one request: noise is simulated circuit by circuit, while somebody waits."""


class QuantumPredictor:
    """A model of either kind, ready to answer."""

    def __init__(self, spec: ModelSpec, arrays: dict[str, Floats], provider: Callable[[], QuantumProvider]):
        """Wire it; `provider` is only asked for where noise is simulated."""
        self._spec = spec
        self._arrays = arrays
        self._provider = provider
        self._n_qubits = spec.definition.n_qubits
        self._preprocessing = Preprocessing.of_arrays(arrays)
        self._parameters = arrays.get("parameters", np.zeros(0))
        self._kernel = spec.head.readout == "kernel"
        self._classification = Classification(spec.head, len(spec.classes), self._n_qubits)
        observables = Observables.of_probabilities(self._n_qubits, [0]) if self._kernel else self._read
        self._engine = Engine(plan(spec.definition, spec.features), observables)
        if self._kernel:
            self._support = self._states(self._encoded(arrays["support"]))

    def predict(
        self, inputs: Sequence[Sequence[float]], backend: BackendInfo, shots: int | None, seed: int | None
    ) -> Scores:
        """Classify samples by their raw features; see the port."""
        encoded = self._encoded(self._columns(inputs))
        if backend.type == "hardware" or backend.is_remote:
            raise InvalidError(
                "UNSUPPORTED_BACKEND",
                f"{backend.name} does not answer while somebody waits: predict on a simulator or a simulated "
                "device, or export the circuit (GET /v1/models/{id}/export?form=qasm3) and run it there as a job.",
                field="options.backend",
                backend=backend.id,
            )
        dice = np.random.default_rng(seed)
        if backend.type == "simulated_device":
            probabilities, spent = self._noisy(encoded, backend, shots or DEFAULT_SHOTS, dice)
        elif shots is not None:
            probabilities, spent = self._sampled(encoded, shots, dice)
        else:
            probabilities, spent = self._exact(encoded), Spent()
        return Scores(
            probabilities.argmax(axis=1).tolist(),
            probabilities.tolist(),
            circuits=spent.circuits,
            shots=spent.shots,
        )

    # --- Inputs ---

    def _columns(self, inputs: Sequence[Sequence[float]]) -> Floats:
        width = len(self._spec.columns)
        for row, sample in enumerate(inputs):
            if len(sample) != width:
                raise InvalidError(
                    "WRONG_WIDTH",
                    f"Sample {row} has {len(sample)} features; the model was trained on {width}.",
                    field=f"inputs.{row}",
                    given=len(sample),
                    expected=width,
                    columns=list(self._spec.columns[:_SHOWN]),
                )
        with np.errstate(over="ignore", invalid="ignore"):
            columns = self._preprocessing.apply(np.array(inputs, dtype=float))
        fine = (np.abs(columns) < _HUGE).all(axis=1)
        if not fine.all():
            row = int(fine.argmin())
            raise InvalidError(
                "INVALID_INPUT",
                f"Sample {row} lies so far from all that the model was trained on that no circuit can tell it.",
                field=f"inputs.{row}",
            )
        return columns

    def _encoded(self, columns: Floats) -> Inputs:
        return Inputs.of(columns, amplitudes_of=self._n_qubits if self._spec.amplitude_encoding else None)

    # --- Outputs ---

    @property
    def _read(self) -> Observables:
        return self._classification.observables

    def _states(self, encoded: Inputs) -> NDArray[np.complexfloating]:
        return self._engine.states(self._parameters, encoded.features, amplitudes=encoded.amplitudes)

    def _exact(self, encoded: Inputs) -> Floats:
        if self._kernel:
            return self._of_fidelities(self._fidelities(encoded))
        outputs = self._engine.outputs(self._parameters, encoded.features, amplitudes=encoded.amplitudes)
        return self._classification.probabilities(outputs)

    def _sampled(self, encoded: Inputs, shots: int, dice: np.random.Generator) -> tuple[Floats, Spent]:
        """Draw shots from the exact probabilities, which is what they are without noise."""
        if self._kernel:
            fidelities = self._fidelities(encoded)
            # Each is how often the circuit of one sample and the inverse of the other's end in |0…0⟩.
            estimated = dice.binomial(shots, np.clip(fidelities, 0, 1)) / shots
            return self._of_fidelities(estimated), Spent(fidelities.size, fidelities.size * shots)
        chances = np.abs(self._states(encoded)) ** 2
        chances /= chances.sum(axis=1, keepdims=True)
        outputs = dice.multinomial(shots, chances) @ self._read.diagonals.T / shots
        return self._classification.probabilities(outputs), Spent(len(encoded), len(encoded) * shots)

    def _noisy(
        self, encoded: Inputs, backend: BackendInfo, shots: int, dice: np.random.Generator
    ) -> tuple[Floats, Spent]:
        # What simulates noise takes seconds to import.
        from ketbase.quantum.training.runners import Runner
        from ketbase.quantum.training.shifts import Shifted

        if self._kernel:
            raise InvalidError(
                "UNSUPPORTED_BACKEND",
                "Kernels are computed without noise: predict on a simulator.",
                field="options.backend",
                backend=backend.id,
            )
        if len(encoded) > MAX_NOISY_SAMPLES:
            raise InvalidError(
                "TOO_MANY_SAMPLES",
                f"{backend.name} is simulated one circuit at a time; send up to {MAX_NOISY_SAMPLES} samples.",
                field="inputs",
                given=len(encoded),
                limit=MAX_NOISY_SAMPLES,
            )
        spec = self._spec
        runner = Runner(self._provider(), backend, shots)
        circuit = Shifted(spec.definition, spec.parameters, spec.features, self._read, runner)
        circuit.begin(dice)
        return self._classification.probabilities(circuit.outputs(self._parameters, encoded)), circuit.spent

    # --- Kernels ---

    def _fidelities(self, encoded: Inputs) -> Floats:
        overlaps = self._states(encoded) @ self._support.conj().T
        found: Floats = overlaps.real**2 + overlaps.imag**2
        return found

    def _of_fidelities(self, fidelities: Floats) -> Floats:
        from ketbase.quantum.training.kernels import kernel_probabilities, margins

        found = margins(fidelities, self._arrays["dual"], self._arrays["intercept"])
        return kernel_probabilities(found, len(self._spec.classes), self._spec.head.scale)


_SHOWN = 20
"""How many names of columns an error tells."""
_HUGE = 1e9
"""Radians beyond which an angle has no digits left that mean anything; amplitudes are far below."""
