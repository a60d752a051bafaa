"""A model's card stands alone, says the truth beside classical models, and cannot be written into."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from ketbase.models.cards import Cards
from ketbase.quantum.cards import as_html
from tests.fakes import ALICE
from tests.trained import made, measured, trained
from tests.unit.models.conftest import House


@pytest.fixture
def house(tmp_path):
    from ketbase.adapters.records.sqlite import SqliteRecords
    from tests.fakes import TurnedClock

    clock = TurnedClock(datetime(2026, 1, 1, tzinfo=UTC))
    return House(SqliteRecords(tmp_path / "records.db", clock), clock, "1000")


def card_of(house, name="Flowers", spec_and_arrays=None, **changed):
    handed = trained(name, spec_and_arrays)
    handed = handed._replace(finished=handed.finished._replace(**changed))
    entry = house.registry.add(ALICE.organization_id, handed)
    return Cards(house.store, house.registry, house.clock).card(ALICE, entry.id)


def test_where_a_baseline_wins_the_card_says_so(house):
    card = card_of(house)
    verdicts = {each.name: each for each in card.baselines}
    assert verdicts["rbf_svm"].accuracy_difference == pytest.approx(-0.03)
    assert "beats the quantum model: 90.0% to 93.0% of the test part" in verdicts["rbf_svm"].verdict
    assert "chance may have decided" in verdicts["rbf_svm"].verdict
    assert verdicts["logistic_regression"].verdict.startswith("The quantum model beats logistic regression")
    page = as_html(card).decode()
    assert all(each.verdict in page for each in card.baselines)


def test_equals_are_called_equals(house):
    card = card_of(house, baselines={"rbf_svm": measured(0.9), "logistic_regression": measured(0.5)})
    assert "does as well as" in card.baselines[0].verdict
    assert "chance" not in card.baselines[1].verdict


def test_the_page_holds_curves_matrix_reliability_lineage_costs_and_versions(house):
    card_of(house)
    card = card_of(house)
    page = as_html(card).decode()
    assert page.count("<svg") == page.count("</svg>") == 3
    lineage = card.model.lineage
    for said in (
        "0.900 (0.850 to 0.950)",
        "rbf svm",
        lineage.job_id,
        lineage.circuit_sha256,
        "$0.0123",
        "2.0.0",
        "1.0.0",
    ):
        assert said in page


def test_the_page_needs_nothing_from_elsewhere(house):
    page = as_html(card_of(house)).decode()
    assert not re.search(r'(src|href)="(?!#|data:)', page.replace("xlink:href", "href"))
    assert "<script" not in page
    assert not re.search(r"@import|url\((?!#)", page)


def test_ids_of_the_pictures_do_not_collide_and_all_references_are_there(house):
    page = as_html(card_of(house)).decode()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)) <= {(each, "") for each in ids} | {
        ("", each) for each in ids
    }
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(picture)


def test_what_people_named_is_shown_as_text(house):
    evil = '<script>alert("x")</script>'
    page = as_html(card_of(house, evil, made(classes=(evil, "$x^2$ & co")))).decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_kernel_has_no_curve_and_many_classes_no_numbers(house):
    handed = trained(spec_and_arrays=made(readout="kernel"))
    entry = house.registry.add(ALICE.organization_id, handed._replace(history=handed.history[:1]))
    card = Cards(house.store, house.registry, house.clock).card(ALICE, entry.id)
    assert as_html(card).decode().count("<svg") == 2
