"""The capacity port where one process answers everything."""

from collections.abc import Callable


class LocalCapacity:
    """Nothing is to be kept warm but the model itself."""

    def __init__(self, load: Callable[[str, str], None]):
        """Wire it; `load` makes a model of an organisation ready in this process."""
        self._load = load

    def provide(self, replicas: int) -> int:  # noqa: ARG002
        """Be there already."""
        return 0

    def prepare(self, organization_id: str, model_id: str) -> None:
        """Load the model."""
        self._load(organization_id, model_id)
