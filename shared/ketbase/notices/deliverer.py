"""Sends the notices that wait."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from ketbase.notices.outbox import WAITING, place
from ketbase.notices.types import Notice
from ketbase.ports.clock import Clock
from ketbase.ports.mail import Mail
from ketbase.ports.records import ConditionFailedError, Delete, Equals, Index, Key, Present, Records, Update, walk
from ketbase.ports.webhooks import Webhooks
from ketbase.types import Model, iso

_LOG = logging.getLogger(__name__)

MAX_TRIES = 10
LEAST_PAUSE = timedelta(minutes=1)
"""Between two tries. A sender that dies holds its notice as long, so that it is longer than any sending takes."""
LONGEST_PAUSE = timedelta(hours=1)
_BATCH = 25
_ERROR_LENGTH = 300


class Delivery(Model):
    """What a delivery did, by notice id.

    Attributes:
        delayed: those that failed and are tried again.
        given_up: those that failed for the last time.
    """

    sent: tuple[str, ...] = ()
    delayed: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()


class Deliverer:
    """Any number of deliverers may work at the same moment; a notice is sent by one of them.

    One that dies between sending a notice and taking it away lets it be sent again.
    """

    def __init__(
        self,
        records: Records,
        mail: Mail,
        webhooks: Webhooks,
        opened: Callable[[str], str],
        clock: Clock,
        *,
        patience: timedelta,
    ):
        """Wire a deliverer.

        Args:
            records: where notices wait.
            mail: sends mails.
            webhooks: posts messages.
            opened: opens a sealed webhook.
            clock: the time.
            patience: how long one delivery goes on taking further notices.
        """
        self._records = records
        self._mail = mail
        self._webhooks = webhooks
        self._opened = opened
        self._clock = clock
        self._patience = patience

    def deliver(self) -> Delivery:
        """Send what is due, the longest due first."""
        done: dict[str, list[str]] = {"sent": [], "delayed": [], "given_up": []}
        began = self._clock.now()
        for item in walk(self._records, WAITING, index=Index.WORK, limit=_BATCH):
            now = self._clock.now()
            due, _, _ = item.indexes[Index.WORK].sort.partition("#")
            if due > iso(began) or now - began > self._patience:
                break
            notice = self._claim(Notice.model_validate(item.values), now)
            if notice is not None:
                done[self._try(notice)].append(notice.id)
        return _delivery(done)

    def _claim(self, notice: Notice, now: datetime) -> Notice | None:
        """Count a try and put the next one off, unless another deliverer did."""
        pause = min(LEAST_PAUSE * 2**notice.tries, LONGEST_PAUSE)
        claim = Update(
            place(notice.id),
            set={"tries": notice.tries + 1},
            indexes={Index.WORK: Key(WAITING, f"{iso(now + pause)}#{notice.id}")},
            when=(Present(), Equals("tries", notice.tries)),
        )
        try:
            self._records.write(claim)
        except ConditionFailedError:
            return None
        return notice.model_copy(update={"tries": notice.tries + 1})

    def _try(self, notice: Notice) -> str:
        try:
            self._send(notice)
        except Exception as problem:  # noqa: BLE001 (whatever the carrier says, the other notices are sent)
            return self._failed(notice, problem)
        self._forget(notice)
        return "sent"

    def _send(self, notice: Notice) -> None:
        if notice.channel == "email":
            self._mail.send(notice.to, notice.subject, notice.text)
        else:
            text = f"*{_escaped(notice.subject)}*\n{_escaped(notice.text)}"
            self._webhooks.post(self._opened(notice.to), {"text": text})

    def _failed(self, notice: Notice, problem: Exception) -> str:
        told = {"notice_id": notice.id, "organization_id": notice.organization_id, "tries": notice.tries}
        if notice.tries >= MAX_TRIES:
            _LOG.error("a notice was given up after %s tries", notice.tries, extra=told)
            self._forget(notice)
            return "given_up"
        _LOG.warning("a notice was not sent: %s", type(problem).__name__, extra=told)
        error = f"{type(problem).__name__}: {problem}"[:_ERROR_LENGTH]
        self._write(Update(place(notice.id), set={"last_error": error}, when=(Equals("tries", notice.tries),)))
        return "delayed"

    def _forget(self, notice: Notice) -> None:
        self._write(Delete(place(notice.id), (Equals("tries", notice.tries),)))

    def _write(self, write: Update | Delete) -> None:
        try:
            self._records.write(write)
        except ConditionFailedError:
            # It was written anew meanwhile, and goes out once more.
            _LOG.info("a notice changed while it was sent")


def _delivery(done: dict[str, list[str]]) -> Delivery:
    return Delivery(**{name: tuple(ids) for name, ids in done.items()})


def _escaped(text: str) -> str:
    """Write what Slack would read as markup; `<!channel>` in a circuit's name calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
