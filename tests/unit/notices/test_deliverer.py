"""What waits is delivered: once, in order, again after a failure, and not for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.adapters.webhooks.https import HttpsWebhooks
from ketbase.notices.deliverer import MAX_TRIES, Deliverer
from ketbase.notices.outbox import WAITING, notice, place
from ketbase.ports.records import Index, Records
from ketbase.vault import Vault
from tests.fakes import KeptMail, TurnedClock
from tests.receivers import Receiver, receiver

VAULT = Vault(["a secret of the installation"])
PATIENCE = timedelta(seconds=40)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def records(tmp_path: Path, clock: TurnedClock) -> Records:
    return SqliteRecords(tmp_path / "records.db", clock)


@pytest.fixture
def slack() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def mail() -> KeptMail:
    return KeptMail()


def deliverer(records: Records, clock: TurnedClock, mail: KeptMail, slack: Receiver | None = None) -> Deliverer:
    hosts = (slack.origin,) if slack else ()
    return Deliverer(records, mail, HttpsWebhooks(hosts), VAULT.open, clock, patience=PATIENCE)


def write(
    records: Records, clock: TurnedClock, to: str = "a@example.org", about: str = "x", text: str = "T"
) -> str:
    put = notice(clock, "org_a", "email", to, "Subject", text, about=about)
    records.write(put)
    return put.item.values["id"]


def waiting(records: Records) -> int:
    return records.count(WAITING, index=Index.WORK)


def test_a_mail_goes_out_once(records, clock, mail) -> None:
    name = write(records, clock)
    assert deliverer(records, clock, mail).deliver().sent == (name,)
    assert deliverer(records, clock, mail).deliver().sent == ()
    assert mail.sent == [("a@example.org", "Subject", "T")]
    assert records.get(place(name)) is None


def test_a_message_to_slack_holds_the_text_and_no_markup_of_others(records, clock, mail, slack) -> None:
    sealed = VAULT.seal(slack.url())
    records.write(notice(clock, "org_a", "slack", sealed, "Budget & more", "<!channel> at 80 %", about="x"))
    deliverer(records, clock, mail, slack).deliver()
    assert slack.posts == [("/services/T0/B0/secret", {"text": "*Budget &amp; more*\n&lt;!channel&gt; at 80 %"})]


def test_the_address_of_a_webhook_is_nowhere_in_the_store(records, clock, tmp_path) -> None:
    sealed = VAULT.seal("https://hooks.slack.com/services/T0/B0/topsecret")
    records.write(notice(clock, "org_a", "slack", sealed, "S", "T", about="x"))
    assert all(b"topsecret" not in file.read_bytes() for file in tmp_path.glob("records.db*"))


def test_what_failed_is_tried_again_after_a_pause(records, clock, mail) -> None:
    name = write(records, clock)
    mail.problem = OSError("no route")
    assert deliverer(records, clock, mail).deliver().delayed == (name,)
    mail.problem = None
    clock.turn(59)
    assert deliverer(records, clock, mail).deliver().sent == ()
    clock.turn(1)
    assert deliverer(records, clock, mail).deliver().sent == (name,)


def test_pauses_grow_and_after_ten_tries_it_is_given_up(records, clock, mail) -> None:
    name = write(records, clock)
    mail.problem = OSError("no route")
    began, tried, given_up = clock.now(), [], ()
    while not given_up:
        done = deliverer(records, clock, mail).deliver()
        if done.delayed or done.given_up:
            tried.append((clock.now() - began) / timedelta(minutes=1))
        given_up = done.given_up
        clock.turn(60)
    assert given_up == (name,)
    assert tried == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert len(tried) == MAX_TRIES
    assert records.get(place(name)) is None
    assert waiting(records) == 0


def test_one_that_fails_does_not_hold_up_the_others(records, clock, mail) -> None:
    write(records, clock, to="broken@example.org")
    clock.turn(1)
    write(records, clock, to="b@example.org")
    clock.turn(1)
    mail.refused = {"broken@example.org"}
    deliverer(records, clock, mail).deliver()
    assert [to for to, _, _ in mail.sent] == ["b@example.org"]


def test_what_another_deliverer_has_claimed_is_not_sent_twice(records, clock, mail) -> None:
    for number in range(40):
        write(records, clock, about=str(number))
    clock.turn(1)
    others = KeptMail()
    others.problem = OSError("it has claimed them, and cannot send them now")
    mail.meanwhile = lambda: deliverer(records, clock, others).deliver()
    delivery = deliverer(records, clock, mail).deliver()
    assert len(delivery.sent) == len(mail.sent) == 1
    assert waiting(records) == 39


def test_two_deliverers_at_work_send_each_notice_once(records, clock, mail) -> None:
    names = {write(records, clock, about=str(number)) for number in range(40)}
    clock.turn(1)
    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(deliverer(records, clock, mail).deliver) for _ in range(2)]
        sent = [name for each in done for name in each.result().sent]
    assert sorted(sent) == sorted(names)
    assert len(mail.sent) == 40


def test_a_deliverer_that_dies_leaves_its_notice_to_the_next(records, clock, mail) -> None:
    name = write(records, clock)
    mail.problem = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        deliverer(records, clock, mail).deliver()
    mail.problem = None
    assert deliverer(records, clock, mail).deliver().sent == ()
    clock.turn(60)
    assert deliverer(records, clock, mail).deliver().sent == (name,)


def test_what_is_written_anew_while_it_is_sent_goes_out_again(records, clock, mail) -> None:
    write(records, clock, text="old")
    mail.meanwhile = lambda: write(records, clock, text="new")
    deliverer(records, clock, mail).deliver()
    clock.turn(1)
    deliverer(records, clock, mail).deliver()
    assert [text for _, _, text in mail.sent] == ["old", "new"]


def test_a_delivery_ends_when_its_patience_does(records, clock, mail) -> None:
    for number in range(10):
        write(records, clock, about=str(number))
    clock.turn(1)
    mail.meanwhile, mail.repeats = lambda: clock.turn(15), True
    assert len(deliverer(records, clock, mail).deliver().sent) == 3


def test_the_same_notice_written_twice_goes_out_once(records, clock, mail) -> None:
    write(records, clock)
    write(records, clock)
    deliverer(records, clock, mail).deliver()
    assert len(mail.sent) == 1
