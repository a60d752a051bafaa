"""Writes models for others."""

from collections.abc import Callable
from typing import Literal

from ketbase.accounts.types import Caller
from ketbase.models.registry import Registry
from ketbase.ports.inference import Inference

type Form = Literal["qasm3", "qiskit", "pennylane", "onnx"]

FILES: dict[str, tuple[str, str]] = {
    "qasm3": ("text/plain; charset=utf-8", "model.qasm"),
    "qiskit": ("text/x-python; charset=utf-8", "model_qiskit.py"),
    "pennylane": ("text/x-python; charset=utf-8", "model_pennylane.py"),
    "onnx": ("application/octet-stream", "preprocessing.onnx"),
}
"""The media type and the file's name of each form."""


class Exports:
    """The exports of the caller's organisation."""

    def __init__(self, registry: Registry, inference: Callable[[], Inference]):
        self._registry = registry
        self._inference = inference

    def export(self, caller: Caller, model_id: str, form: Form) -> bytes:
        """Write a model.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
            InvalidError: `NOT_EXPORTABLE`, with what this form cannot say.
            TooLargeError: `EXPORT_TOO_LARGE`.
            UnavailableError: `ARTIFACT_DAMAGED`.
        """
        entry = self._registry.entry(caller.organization_id, model_id)
        artifact = self._registry.artifact(caller.organization_id, entry)
        return self._inference().export(artifact.spec, artifact.arrays, form)
