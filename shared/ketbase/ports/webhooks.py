"""The webhooks port: posts JSON to an address that somebody outside named."""

from collections.abc import Mapping
from typing import Any, Protocol


class WebhookError(Exception):
    """The receiver refused, did not answer, or may not be called. The text never holds the address, a secret."""


class Webhooks(Protocol):
    """Calls only hosts that the installation allows."""

    def post(self, url: str, body: Mapping[str, Any]) -> None:
        """Post JSON, and take any 2xx for an answer; redirects are not followed.

        Raises:
            WebhookError: it did not arrive.
        """
