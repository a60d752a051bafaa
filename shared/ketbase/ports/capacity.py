"""The capacity port: functions that are kept warm for predictions."""

from typing import Protocol


class Capacity(Protocol):
    """Warm functions for all deployed models together."""

    def provide(self, replicas: int) -> int:
        """Keep so many functions warm, in place of as many as there were.

        Returns:
            After how many seconds they are.

        Raises:
            InvalidError: `TOO_MANY_REPLICAS`, the account has not as many.
            UnavailableError: what keeps them warm does not answer.
        """

    def prepare(self, organization_id: str, model_id: str) -> None:
        """Make a deployed model ready for its first request, where that is known to come to this process."""
