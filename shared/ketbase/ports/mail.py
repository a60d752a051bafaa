"""The mail port: sends plain text to one address."""

from typing import Protocol


class Mail(Protocol):
    """Mail that was handed over is on its way; whether it arrives is not known here."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Hand over one mail; raises whatever the carrier raises.

        Args:
            to: one address.
            subject: line breaks in it become spaces.
            text: plain text.
        """
