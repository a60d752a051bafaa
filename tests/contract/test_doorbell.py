"""What every doorbell does."""

import itertools
import threading
import time
from typing import Any

import pytest

from ketbase.adapters.doorbell.local import LocalDoorbell
from ketbase.adapters.doorbell.sqs import SqsDoorbell
from ketbase.ports.doorbell import Doorbell
from tests.servers import aws

QUEUES = itertools.count()
SOON_S = 0.5
LONG_S = 10.0


@pytest.fixture(scope="session")
def sqs(moto: str) -> Any:
    return aws("sqs", moto)


def create_queue(sqs: Any, **attributes: str) -> str:
    url: str = sqs.create_queue(QueueName=f"doorbell-{next(QUEUES)}", Attributes=attributes)["QueueUrl"]
    return url


@pytest.fixture(params=["local", "sqs"])
def bell(request: pytest.FixtureRequest) -> Doorbell:
    if request.param == "local":
        return LocalDoorbell(retry_s=1)
    sqs = request.getfixturevalue("sqs")
    return SqsDoorbell(sqs, create_queue(sqs, VisibilityTimeout="1"))


def refuse(reason: str) -> None:
    raise RuntimeError(f"no hand is free for {reason}")


def heard(bell: Doorbell, seconds: float) -> list[str]:
    """The reasons of all rings that are there or come in time."""
    reasons: list[str] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        bell.answer(reasons.append, max(0.0, end - time.monotonic()))
    return reasons


def test_a_silent_bell_is_left_in_time(bell: Doorbell) -> None:
    begin = time.monotonic()
    assert bell.answer(refuse, 0) == 0
    assert time.monotonic() - begin < 1
    assert bell.answer(refuse, 1) == 0
    assert 0.9 < time.monotonic() - begin < 3


def test_a_ring_is_answered_with_its_reason_and_then_forgotten(bell: Doorbell) -> None:
    bell.ring("job submitted")
    reasons: list[str] = []
    assert bell.answer(reasons.append, LONG_S) == 1
    assert reasons == ["job submitted"]
    assert heard(bell, 1.5) == []


def test_every_reason_is_heard(bell: Doorbell) -> None:
    reasons = {f"reason {n}" for n in range(25)}
    for reason in reasons:
        bell.ring(reason)
    assert set(heard(bell, 1)) == reasons


def test_a_waiting_hand_hears_the_bell_at_once(bell: Doorbell) -> None:
    reasons: list[str] = []
    hand = threading.Thread(target=bell.answer, args=(reasons.append, LONG_S))
    hand.start()
    time.sleep(0.2)
    begin = time.monotonic()
    bell.ring("now")
    hand.join(LONG_S)
    assert reasons == ["now"]
    assert time.monotonic() - begin < 2


def test_a_ring_during_the_answer_to_the_same_reason_is_answered_too(bell: Doorbell) -> None:
    bell.ring("again")
    assert bell.answer(lambda _: bell.ring("again"), LONG_S) == 1
    assert heard(bell, SOON_S) == ["again"]


def test_a_ring_whose_answer_failed_is_heard_again_later(bell: Doorbell) -> None:
    bell.ring("hard work")
    assert bell.answer(refuse, LONG_S) == 0
    assert heard(bell, SOON_S) == []
    assert heard(bell, 2) == ["hard work"]
    assert heard(bell, 1.5) == []


def test_one_failed_answer_does_not_silence_the_others(bell: Doorbell) -> None:
    reasons = ["good 1", "bad", "good 2"]
    for reason in reasons:
        bell.ring(reason)
    done: list[str] = []

    def handle(reason: str) -> None:
        if reason == "bad":
            raise RuntimeError(reason)
        done.append(reason)

    answered = 0
    while answered < 2:
        answered += bell.answer(handle, 1)
    assert sorted(done) == ["good 1", "good 2"]
    assert set(heard(bell, 2)) == {"bad"}


def test_many_hands_answer_each_ring(bell: Doorbell) -> None:
    done: list[str] = []
    hands = [threading.Thread(target=lambda: done.extend(heard(bell, 2))) for _ in range(3)]
    for hand in hands:
        hand.start()
    for n in range(20):
        bell.ring(f"{n}")
    for hand in hands:
        hand.join()
    assert set(done) == {f"{n}" for n in range(20)}


def test_the_bell_says_that_it_works(bell: Doorbell) -> None:
    bell.check()


def test_a_missing_queue_is_not_working(sqs: Any) -> None:
    url = create_queue(sqs)
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        SqsDoorbell(sqs, url).check()


def test_a_ring_that_never_succeeds_ends_among_the_dead_letters(sqs: Any) -> None:
    dead = create_queue(sqs)
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "3"}}'
    bell = SqsDoorbell(sqs, create_queue(sqs, VisibilityTimeout="0", RedrivePolicy=redrive))
    bell.ring("cursed")
    attempts: list[str] = []

    def handle(reason: str) -> None:
        attempts.append(reason)
        refuse(reason)

    for _ in range(6):
        assert bell.answer(handle, 0) == 0
    assert attempts == ["cursed"] * 3
    assert heard(SqsDoorbell(sqs, dead), SOON_S)[:1] == ["cursed"]
