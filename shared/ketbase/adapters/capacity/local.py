"""The capacity port where one process answers everything."""

import logging
from collections.abc import Callable

_LOG = logging.getLogger(__name__)


class LocalCapacity:
    """Nothing is to be kept warm but the model itself."""

    def __init__(self, load: Callable[[str, str], None]):
        """Wire it; `load` makes a model of an organisation ready in this process."""
        self._load = load

    def provide(self, replicas: int) -> int:  # noqa: ARG002
        """Be there already."""
        return 0

    def prepare(self, organization_id: str, model_id: str) -> None:
        """Load the model; where that fails, its first request finds out why."""
        try:
            self._load(organization_id, model_id)
        except Exception:  # noqa: BLE001
            _LOG.exception("%s could not be loaded ahead", model_id)
