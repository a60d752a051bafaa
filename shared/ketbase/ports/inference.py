"""The inference port: what a trained model says of samples, without naming a numerical library."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from ketbase.backends.types import BackendInfo
from ketbase.models.types import ModelSpec


class Scores(NamedTuple):
    """What a model says of some samples.

    Attributes:
        classes: for each sample, the index of the most probable class.
        probabilities: for each sample, of each class.
        circuits: that were executed.
        shots: likewise, together.
    """

    classes: list[int]
    probabilities: list[list[float]]
    circuits: int
    shots: int


class Predictor(Protocol):
    """A model that is loaded, ready to answer."""

    def predict(
        self, inputs: Sequence[Sequence[float]], backend: BackendInfo, shots: int | None, seed: int | None
    ) -> Scores:
        """Classify samples by their raw features.

        Args:
            inputs: a row for each sample.
            backend: where circuits run; a simulator without noise and without `shots` is computed exactly.
            shots: for each circuit.
            seed: of the shots; a fresh one, where none is given.

        Raises:
            InvalidError: `WRONG_WIDTH`, a sample has too many or too few features; `UNSUPPORTED_BACKEND`, hardware
                does not answer while somebody waits.
        """


class Inference(Protocol):
    """Loads models, and writes them for others."""

    def load(self, spec: ModelSpec, arrays: bytes) -> Predictor:
        """Make a model ready; `arrays` is its `arrays.npz`, whose SHA-256 was checked."""

    def export(
        self, spec: ModelSpec, arrays: bytes, form: Literal["qasm3", "qiskit", "pennylane", "onnx"]
    ) -> bytes:
        """Write a model for others.

        `qasm3` is the circuit, trained parameters bound and features free; `qiskit` and `pennylane` are Python
        files that need nothing of Ketbase, hold the numbers, and whose `predict(inputs)` gives the class
        probabilities; `onnx` is the preprocessing.

        Raises:
            InvalidError: `NOT_EXPORTABLE`, with what this form cannot say.
        """
