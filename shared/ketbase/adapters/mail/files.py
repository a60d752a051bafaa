"""The mail port over a folder: each mail is a file that any mail program opens."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from ketbase.adapters.mail.lines import one_line
from ketbase.ids import new_id
from ketbase.ports.clock import Clock


class FileMail:
    """Puts mails into a folder, the oldest first by name."""

    def __init__(self, folder: Path, sender: str, clock: Clock):
        self._folder = folder
        self._sender = sender
        self._clock = clock

    def send(self, to: str, subject: str, text: str) -> None:
        """Write one mail."""
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(addr_spec=self._sender)
        message["To"] = Address(addr_spec=to)
        message["Subject"] = one_line(subject)
        message["Date"] = format_datetime(self._clock.now())
        message.set_content(text)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{new_id('mail')}.eml"
        # Whoever watches the folder never sees half a mail.
        draft = path.with_suffix(".part")
        draft.write_bytes(message.as_bytes())
        draft.replace(path)
