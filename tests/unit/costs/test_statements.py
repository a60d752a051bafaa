"""A statement says what the month's jobs cost, as JSON, CSV and PDF."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from ketbase.accounts.roles import Role
from ketbase.accounts.types import Caller
from ketbase.costs import tables
from ketbase.costs.pages import as_pdf
from ketbase.costs.statement import Statement
from ketbase.costs.statements import Statements
from ketbase.costs.tables import as_csv
from ketbase.errors import InvalidError, NotFoundError, TooLargeError
from ketbase.ledger.types import Charge, CostEvent
from ketbase.money import Money
from tests.unit.costs.office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(tmp_path)
    office.turn_to(datetime(2026, 1, 5, tzinfo=UTC))
    office.spend("1.50", "user_dana", backend="aer", circuits=1, shots=100, compute_ms=3_600_000)
    office.turn_to(datetime(2026, 1, 20, tzinfo=UTC))
    office.spend("2", "user_adam", backend="fake_fez", circuits=1, shots=5)
    return office


def statement(office: Office, month: str = "2026-01") -> tuple[Statement, list[CostEvent]]:
    return Statements(office.records, office.ledger, office.accounts, office.clock).statement(office.olga, month)


def test_a_statement_adds_up_by_day_backend_and_user(office: Office) -> None:
    found, events = statement(office)
    assert (found.organization, str(found.total), found.jobs, found.shots) == ("Acme", "3.50", 2, 105)
    assert len(found.by_day) == 31
    assert [(str(day.date), str(day.cost)) for day in found.by_day if day.jobs] == [
        ("2026-01-05", "1.50"),
        ("2026-01-20", "2.00"),
    ]
    assert [(line.id, str(line.cost)) for line in found.by_backend] == [("fake_fez", "2.00"), ("aer", "1.50")]
    assert [(line.name, line.email) for line in found.by_user] == [
        ("Adam", "adam@acme.example"),
        ("Dana", "dana@acme.example"),
    ]
    assert len(events) == 2


def test_the_month_in_which_a_job_was_submitted_pays(office: Office) -> None:
    late = office.started("5")
    office.turn_to(datetime(2026, 2, 3, tzinfo=UTC))
    before, _ = statement(office)
    assert (before.final, str(before.open)) == (False, "5.00")
    office.store.complete(late, "", {}, Charge(amount=Money.of(4)))
    after, _ = statement(office)
    assert (after.final, str(after.total), str(after.open)) == (True, "7.50", "0.00")
    assert str(after.by_day[-1].cost) == "4.00"
    assert str(statement(office, "2026-02")[0].total) == "0.00"


def test_a_job_that_ends_months_later_is_found(office: Office) -> None:
    late = office.started("5")
    office.turn_to(datetime(2026, 4, 20, tzinfo=UTC))
    office.spend("1")
    office.store.complete(late, "", {}, Charge(amount=Money.of(4)))
    assert str(statement(office)[0].total) == "7.50"


def test_a_statement_is_final_when_the_month_is_over_and_nothing_is_open(office: Office) -> None:
    assert not statement(office)[0].final
    office.turn_to(datetime(2026, 2, 1, tzinfo=UTC))
    assert statement(office)[0].final


@pytest.mark.parametrize("month", ["2026-02", "2025-12"])
def test_there_is_no_statement_of_the_future_nor_of_before_the_organisation(office: Office, month: str) -> None:
    with pytest.raises(NotFoundError):
        statement(office, month)


def test_a_month_of_too_many_jobs_is_refused_but_as_a_table(office: Office) -> None:
    books = Statements(office.records, office.ledger, office.accounts, office.clock)
    with pytest.raises(InvalidError, match="format=csv") as refused:
        books.statement(office.olga, "2026-01", most=1)
    assert refused.value.code == "REPORT_TOO_LARGE"
    assert books.statement(office.olga, "2026-01", most=2)[0].jobs == 2
    assert books.statement(office.olga, "2026-01", most=None)[0].jobs == 2


def test_another_organisation_sees_nothing_of_it(office: Office) -> None:
    office.found("org_b", "Beta")
    stranger = Caller(organization_id="org_b", user_id="user_b", scopes=frozenset({"*"}))
    found, events = Statements(office.records, office.ledger, office.accounts, office.clock).statement(
        stranger, "2026-01"
    )
    assert (found.total, events, found.by_user) == (Money(), [], ())


# --- CSV ---


def rows(office: Office) -> list[list[str]]:
    return list(csv.reader(io.StringIO(as_csv(*statement(office)), newline="")))


def test_the_table_has_a_line_for_each_job_and_the_total(office: Office) -> None:
    head, *jobs, total = rows(office)
    assert [row[head.index("cost_usd")] for row in jobs] == ["1.50", "2.00"]
    assert [row[head.index("user")] for row in jobs] == ["dana@acme.example", "adam@acme.example"]
    assert (total[0], total[-1]) == ("total", "3.50")


def test_an_address_that_is_a_formula_is_only_text(office: Office) -> None:
    office.join("org_a", "=cmd|'/c calc'!a1", Role.DEVELOPER)
    office.spend("1", "user_=cmd|'/c calc'!a1")
    assert rows(office)[3][3] == "'=cmd|'/c calc'!a1@acme.example"


@given(st.text(max_size=30))
def test_no_cell_is_ever_a_formula(text: str) -> None:
    assert not tables._safe(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert tables._safe(text).endswith(text)


def test_a_table_too_large_for_an_answer_is_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 200)
    with pytest.raises(TooLargeError, match="group_by=job"):
        as_csv(*statement(office))


# --- PDF ---


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_the_page_shows_the_totals_and_both_tables(office: Office) -> None:
    text = text_of(as_pdf(statement(office)[0]))
    for shown in ("January 2026", "Acme", "$3.50", "Preliminary", "fake_fez", "Dana <dana@acme.example>", "1.00 h"):
        assert shown in text


def test_the_page_of_an_empty_month_can_be_drawn(tmp_path: Path) -> None:
    assert "$0.00" in text_of(as_pdf(statement(Office(tmp_path))[0]))


def test_names_in_any_alphabet_and_amounts_of_nano_dollars_can_be_drawn(office: Office) -> None:
    office.join("org_a", "李雷", Role.DEVELOPER)
    office.spend("0.000000001", "user_李雷")
    assert "$3.500000" in text_of(as_pdf(statement(office)[0]))


def test_a_hundred_users_fit_on_some_pages(office: Office) -> None:
    for number in range(60):
        office.spend("0.01", f"user_{number}")
    pdf = as_pdf(statement(office)[0])
    assert len(PdfReader(io.BytesIO(pdf)).pages) >= 2
    assert "40 largest" in text_of(pdf)


@given(st.integers(0, 10**18))
def test_the_axis_has_few_round_ticks(highest: int) -> None:
    from ketbase.costs.pages import _tick

    step = _tick(highest)
    assert step * 4 >= highest
    assert str(step).rstrip("0") in ("1", "2", "5")
