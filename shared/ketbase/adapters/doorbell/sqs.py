"""The doorbell port over an SQS queue."""

import logging
import time
from collections.abc import Callable
from typing import Any

_LONGEST_POLL_S = 5
"""SQS allows 20, but a client's read timeout must be longer than a poll."""

_MOST_MESSAGES = 10

_LOG = logging.getLogger(__name__)


class SqsDoorbell:
    """Each ring is a message.

    One that is not answered shows again after the queue's visibility timeout, and moves to the dead letters
    when the queue's redrive policy says so.
    """

    def __init__(self, client: Any, queue_url: str):
        """Use a boto3 `sqs` client and the queue at this address."""
        self._client = client
        self._queue_url = queue_url

    def ring(self, reason: str) -> None:
        """Say that there is work; `reason` is for the logs."""
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=reason)

    def answer(self, handle: Callable[[str], None], seconds: float) -> int:
        """Wait up to `seconds` for rings and call `handle` with the reason of each; logs what it raises.

        Returns:
            How many rings were answered.
        """
        answered = 0
        for message in self._receive(time.monotonic() + seconds):
            try:
                handle(message["Body"])
            except Exception:  # noqa: BLE001 - a ring outlives whatever befell its handling
                _LOG.exception("a ring was not answered and will be heard again: %s", message["Body"])
            else:
                self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
                answered += 1
        return answered

    def check(self) -> None:
        """Ask for the queue."""
        self._client.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])

    def _receive(self, deadline: float) -> list[dict[str, Any]]:
        """Poll until there are messages, or none at the deadline; a poll waits for whole seconds."""
        while True:
            wait = min(_LONGEST_POLL_S, round(max(0.0, deadline - time.monotonic())))
            answer = self._client.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=_MOST_MESSAGES, WaitTimeSeconds=wait
            )
            messages: list[dict[str, Any]] = answer.get("Messages", [])
            if messages or not wait:
                return messages
