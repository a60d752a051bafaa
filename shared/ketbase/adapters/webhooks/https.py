"""The webhooks port over urllib3."""

from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from ketbase.errors import InvalidError
from ketbase.notices.webhooks import check_webhook
from ketbase.ports.webhooks import WebhookError

_TIMEOUT_S = 5.0


class HttpsWebhooks:
    """Calls the hosts it was given and no other, so that no tenant makes it call an address inside."""

    def __init__(self, hosts: tuple[str, ...]):
        """Allow some hosts; see `ketbase.notices.webhooks.check_webhook`."""
        self._hosts = hosts
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=_TIMEOUT_S), retries=False)

    def post(self, url: str, body: Mapping[str, Any]) -> None:
        """Post JSON; nothing of the answer but its status is looked at.

        Raises:
            WebhookError: it did not arrive.
        """
        try:
            check_webhook(url, self._hosts)
            answer = self._pool.request("POST", url, json=body, redirect=False, preload_content=False)
        except InvalidError as problem:
            raise WebhookError(problem.message) from problem
        except HTTPError as problem:
            # urllib3's own text holds the address, which is the secret.
            raise WebhookError(f"the receiver does not answer ({type(problem).__name__})") from None
        try:
            status = answer.status
        finally:
            answer.release_conn()
        if not 200 <= status < 300:
            raise WebhookError(f"the receiver answered {status}")
