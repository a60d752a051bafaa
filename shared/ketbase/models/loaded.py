"""The models that this process holds ready, the least recently asked let go first."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from ketbase.models.registry import Registry
from ketbase.models.types import ModelEntry
from ketbase.ports.inference import Inference, Predictor

MOST = 32
"""Models held ready."""

type _Name = tuple[str, tuple[str, ...]]


class LoadedModels:
    """A cache by id and by the SHA-256 of the files, so that what is answered is what was registered."""

    def __init__(self, registry: Registry, inference: Callable[[], Inference], *, most: int = MOST):
        self._registry = registry
        self._inference = inference
        self._most = most
        self._held: OrderedDict[_Name, Predictor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, organization_id: str, entry: ModelEntry) -> Predictor:
        """Give a model that is ready, or make it so.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`, it was deleted meanwhile.
            UnavailableError: `ARTIFACT_DAMAGED`.
        """
        name = (entry.id, tuple(entry.artifact.sha256.values()))
        with self._lock:
            found = self._held.get(name)
            if found is None:
                artifact = self._registry.artifact(organization_id, entry)
                found = self._held[name] = self._inference().load(artifact.spec, artifact.arrays)
            self._held.move_to_end(name)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return found
