"""What every adapter of the mail port does, over a folder and over SES."""

import email
import json
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import NamedTuple

import pytest

from ketbase.adapters.mail.files import FileMail
from ketbase.adapters.mail.ses import SesMail
from ketbase.ports.mail import Mail
from tests import servers
from tests.fakes import TurnedClock

SENDER = "ketbase@example.com"


class Sent(NamedTuple):
    sender: str
    to: str
    subject: str
    text: str


class Carrier(NamedTuple):
    mail: Mail
    sent: Callable[[], list[Sent]]


def folder(path: Path) -> Carrier:
    def sent() -> list[Sent]:
        found = []
        for file in sorted(path.glob("*")):
            message = email.message_from_bytes(file.read_bytes(), EmailMessage, policy=SMTP)
            text = message.get_content().replace("\r\n", "\n").removesuffix("\n")
            found.append(Sent(message["From"], message["To"], message["Subject"], text))
        return found

    return Carrier(FileMail(path, SENDER, TurnedClock()), sent)


def ses(url: str) -> Carrier:
    client = servers.aws("sesv2", url)
    client.create_email_identity(EmailIdentity=SENDER)

    def messages() -> list[dict]:
        with urllib.request.urlopen(f"{url}/_ministack/ses/messages") as answer:
            by_account = json.load(answer)["messages"]
        return [message for messages in by_account.values() for message in messages]

    before = len(messages())

    def sent() -> list[Sent]:
        return [Sent(m["Source"], ",".join(m["To"]), m["Subject"], m["BodyText"]) for m in messages()[before:]]

    return Carrier(SesMail(client, SENDER), sent)


@pytest.fixture(params=["files", "ses"])
def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> Carrier:
    return folder(tmp_path / "mail") if request.param == "files" else ses(request.getfixturevalue("ministack"))


def test_a_mail_arrives_as_it_was_sent(carrier: Carrier) -> None:
    carrier.mail.send("team@example.org", "Budget at 80 % – €", "Spent: $8.00\n\nGrüße, Ketbase")
    assert carrier.sent() == [
        Sent(SENDER, "team@example.org", "Budget at 80 % – €", "Spent: $8.00\n\nGrüße, Ketbase")
    ]


def test_mails_arrive_in_order(carrier: Carrier) -> None:
    for number in range(3):
        carrier.mail.send("team@example.org", f"Mail {number}", "Text")
    assert [mail.subject for mail in carrier.sent()] == ["Mail 0", "Mail 1", "Mail 2"]


def test_a_subject_cannot_add_a_header(carrier: Carrier) -> None:
    carrier.mail.send("team@example.org", "Hello\r\nBcc: spy@example.net", "Text")
    (mail,) = carrier.sent()
    assert mail.to == "team@example.org"
    assert mail.subject == "Hello Bcc: spy@example.net"


def test_a_very_long_line_arrives_whole(carrier: Carrier) -> None:
    carrier.mail.send("team@example.org", "Long", "x" * 5_000)
    assert carrier.sent()[0].text == "x" * 5_000
