"""A reconciliation finds every kind of disagreement in the books, and none where there is none."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.costs.discrepancies import Discrepancy
from ketbase.costs.reconciliation import REPORTS, Reconciler, Report
from ketbase.jobs import layout as jobs_layout
from ketbase.jobs.types import Job, JobError, JobStatus
from ketbase.ledger import layout
from ketbase.ledger.types import Charge, CostEvent
from ketbase.money import Money
from ketbase.ports.records import Delete, Item, Key, Put, Update
from tests.fakes import new_job
from tests.unit.costs.office import Office

MONTH = "2026-01"
ACCOUNT = Key(layout.month_partition(MONTH), "org_a")


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def reconciler(office: Office) -> Reconciler:
    return Reconciler(office.records, office.store, office.accounts, office.clock, jobs_kept=timedelta(days=90))


def reconciled(office: Office) -> Report:
    return reconciler(office).reconcile()


def kinds(found: tuple[Discrepancy, ...]) -> set[str]:
    return {each.kind for each in found}


def event_of(office: Office, job: Job) -> tuple[Key, CostEvent]:
    items = office.records.query(layout.events("org_a")).items
    (found,) = [(item.key, item.values) for item in items if item.values["job_id"] == job.id]
    return found[0], CostEvent.model_validate(found[1])


def rewrite(office: Office, job: Job, **fields: object) -> None:
    """Falsify a job's cost event."""
    key, event = event_of(office, job)
    office.records.write(Put(Item(key, event.model_copy(update=fields).model_dump(mode="json"))))


def falsify(office: Office, job: Job, **fields: object) -> None:
    """Falsify a job."""
    office.records.write(Put(jobs_layout.item(job.model_copy(update=fields))))


# --- Healthy books ---


def test_healthy_books_agree(office: Office) -> None:
    office.spend("1.50", "user_dana", key_id="key_1")
    office.fail("0.25", "user_adam")
    office.started("3", "user_dana")
    office.store.cancel(office.started("2"))
    office.store.submit(new_job(office.clock, reserved_cost=Money.of(1)), None, "")
    report = reconciled(office)
    assert report.discrepancies == ()
    assert (report.organizations, report.jobs, report.events, report.busy) == (1, 5, 3, ())


HISTORIES = st.lists(
    st.tuples(
        st.sampled_from(["wait", "run", "complete", "fail", "cancel_waiting", "cancel", "requeue", "extend"]),
        st.sampled_from(["org_a", "org_b"]),
        st.sampled_from(["user_1", "user_2"]),
        st.sampled_from([None, "key_1"]),
        st.integers(0, 3 * 10**9),
        st.integers(0, 4 * 10**9),
        st.integers(0, 20),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(HISTORIES)
def test_whatever_happened_to_jobs_healthy_books_agree(history: list[tuple]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        office = Office(Path(folder))
        office.found("org_b", "Beta")
        for step in history:
            happens(office, *step)
            office.clock.turn(timedelta(days=step[-1]).total_seconds())
        assert reconciled(office).discrepancies == ()
        office.records.close()


def happens(
    office: Office, what: str, organization: str, user: str, key: str | None, ceiling: int, cost: int, _days: int
) -> None:
    job = new_job(office.clock, organization, user_id=user, key_id=key, reserved_cost=Money(ceiling))
    job = office.store.submit(job, None, "")
    if what == "cancel_waiting":
        office.store.cancel(job)
        return
    if what == "wait":
        return
    started = office.store.start(job, at_most_running=999, at_most_in_all=999)
    assert started is not None
    charge = Charge(amount=Money(cost), circuits=1, shots=10)
    match what:
        case "complete":
            office.store.complete(started, "", {}, charge)
        case "fail":
            office.store.fail(started, JobError(code="X", message="x"), charge)
        case "cancel":
            office.store.cancel(started)
        case "requeue":
            office.store.requeue(started, "died")
        case "extend":
            extended = office.store.extend(started, Money(10))
            assert extended is not None
            office.store.complete(extended, "", {}, charge)


# --- Every kind of disagreement ---


def lose_event(office: Office, job: Job) -> None:
    office.records.write(Delete(event_of(office, job)[0]))


def double_event(office: Office, job: Job) -> None:
    _, event = event_of(office, job)
    later = event.model_copy(update={"created_at": event.created_at + timedelta(seconds=1)})
    office.records.write(Put(Item(layout.event(later), later.model_dump(mode="json"))))


def lose_job(office: Office, job: Job) -> None:
    office.records.write(Delete(jobs_layout.place("org_a", job.id)))


def reopen(office: Office, job: Job) -> None:
    falsify(office, job, status=JobStatus.RUNNING)


INJURIES: list[tuple[str, Callable[[Office, Job], None]]] = [
    ("event_missing", lose_event),
    ("event_twice", double_event),
    ("event_early", reopen),
    ("job_missing", lose_job),
    ("amount_differs", lambda office, job: falsify(office, job, actual_cost=Money.of("1.49"))),
    ("amount_differs", lambda office, job: rewrite(office, job, amount=Money.of("1.499999999"))),
    ("reservation_differs", lambda office, job: rewrite(office, job, reserved=Money.of(9))),
    ("above_ceiling", lambda office, job: rewrite(office, job, reserved=Money.of("1.49"))),
    ("payer_differs", lambda office, job: rewrite(office, job, user_id="user_adam")),
    ("payer_differs", lambda office, job: falsify(office, job, month="2025-12")),
    ("spent_differs", lambda office, job: office.records.write(Update(ACCOUNT, add={"spent": -1}))),
    ("reserved_differs", lambda office, job: office.records.write(Update(ACCOUNT, add={"reserved": 1}))),
    ("committed_differs", lambda office, job: office.records.write(Update(ACCOUNT, add={"committed": 1}))),
    ("spent_differs", lambda office, job: office.records.write(Delete(ACCOUNT))),
    (
        "reserved_differs",
        lambda office, job: office.records.write(
            Update(Key(f"org#org_a#ledger#{MONTH}", "user#user_dana"), add={"reserved": 5})
        ),
    ),
    (
        "spent_differs",
        lambda office, job: office.records.write(
            Update(Key(f"org#org_a#ledger#{MONTH}", "key#key_1"), add={"spent": 5})
        ),
    ),
    (
        "usage_differs",
        lambda office, job: office.records.write(Update(layout.day(event_of(office, job)[1]), add={"cost": 1})),
    ),
]


@pytest.mark.parametrize(("kind", "injure"), INJURIES, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(INJURIES)])
@pytest.mark.parametrize("later", [0, 20], ids=["this month", "last month"])
def test_each_disagreement_is_found(
    office: Office, kind: str, injure: Callable[[Office, Job], None], later: int
) -> None:
    office.turn_to(datetime(2026, 1, 20, tzinfo=UTC))
    office.spend("0.50", "user_adam")
    job = office.spend("1.50", "user_dana", key_id="key_1")
    injure(office, job)
    office.clock.turn(timedelta(days=later).total_seconds())
    report = reconciled(office)
    assert kind in kinds(report.discrepancies)
    assert report.count == len(report.discrepancies)


def test_a_disagreement_says_what_was_expected_and_what_stands_there(office: Office) -> None:
    office.spend("1.50")
    office.records.write(Update(ACCOUNT, add={"spent": -500_000_000, "committed": -500_000_000}))
    (found,) = reconciled(office).discrepancies
    assert (found.kind, found.month, found.subject) == ("spent_differs", MONTH, "organization#org_a")
    assert (found.expected, found.found) == ("1.50", "1.00")


def test_a_reservation_that_nobody_holds_is_found(office: Office) -> None:
    job = office.started("3")
    office.records.write(Delete(jobs_layout.place("org_a", job.id)))
    assert kinds(reconciled(office).discrepancies) == {"reserved_differs"}


def test_nothing_is_repaired(office: Office) -> None:
    office.spend("1.50")
    office.records.write(Update(ACCOUNT, add={"spent": 7}))
    first = reconciled(office).discrepancies
    office.clock.turn(1)
    assert reconciled(office).discrepancies == first != ()


def test_a_forgotten_job_is_no_disagreement(office: Office) -> None:
    office.turn_to(datetime(2026, 1, 1, tzinfo=UTC))
    lose_job(office, office.spend("1.50"))
    office.turn_to(datetime(2026, 2, 27, tzinfo=UTC))
    impatient = Reconciler(
        office.records, office.store, office.accounts, office.clock, jobs_kept=timedelta(days=30)
    )
    assert impatient.reconcile().discrepancies == ()


def test_what_moves_during_the_reading_is_no_disagreement(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    job = office.started("5")
    real = office.store.walk
    ends = [lambda: office.store.complete(job, "", {}, Charge(amount=Money.of(2)))]

    def walk(*args: object, **named: object):
        yield from real(*args, **named)
        if ends:
            ends.pop()()

    monkeypatch.setattr(office.store, "walk", walk)
    report = reconciled(office)
    assert not ends
    assert report.discrepancies == ()
    assert report.busy == ()


def test_an_organisation_that_never_rests_is_named_and_not_accused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = office.store.walk

    def walk(*args: object, **named: object):
        yield from real(*args, **named)
        monkeypatch.undo()
        office.spend("0.01")
        monkeypatch.setattr(office.store, "walk", walk)

    office.spend("1")
    monkeypatch.setattr(office.store, "walk", walk)
    report = reconciled(office)
    assert report.busy == ("org_a",)
    assert report.discrepancies == ()


def test_an_organisation_that_is_erased_is_left_alone(office: Office) -> None:
    office.spend("1.50")
    office.records.write(Update(ACCOUNT, add={"spent": 7}))
    kept = office.accounts.kept_organization("org_a")
    assert kept is not None
    office.records.write(office.accounts.mark_deleted(kept, office.clock.now()))
    assert reconciled(office).organizations == 0


def test_each_report_is_kept(office: Office) -> None:
    office.spend("1")
    report = reconciled(office)
    (item,) = office.records.query(REPORTS).items
    assert Report.model_validate(item.values) == report
