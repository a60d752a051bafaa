"""The mail port over Amazon SES."""

from typing import Any

from ketbase.adapters.mail.lines import one_line


class SesMail:
    """Sends through SES, from one address that SES has verified."""

    def __init__(self, client: Any, sender: str):
        """Use a boto3 `sesv2` client and this sender."""
        self._client = client
        self._sender = sender

    def send(self, to: str, subject: str, text: str) -> None:
        """Hand over one mail."""
        self._client.send_email(
            FromEmailAddress=self._sender,
            Destination={"ToAddresses": [to]},
            Content={
                "Simple": {
                    "Subject": {"Data": one_line(subject), "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                }
            },
        )
