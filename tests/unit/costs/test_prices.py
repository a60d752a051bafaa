"""Prices are read from the table, rounded up, and an installation's own go before ours."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ketbase.backends.catalog import backends
from ketbase.backends.types import BackendInfo
from ketbase.costs.prices import Prices
from ketbase.money import Money

PRICES = Prices.load(None)


def backend(name: str, kind: str = "hardware") -> BackendInfo:
    return backends()["aer"].model_copy(update={"id": name, "type": kind})


def test_a_second_of_a_gigabyte_costs_what_the_table_says() -> None:
    assert PRICES.compute(1, 1_024) == Money(16_667)  # 16,666.7 nano-dollars, rounded up
    assert PRICES.compute(10, 1_024) == Money(166_667)


def test_a_millisecond_once_begun_counts_whole() -> None:
    assert PRICES.compute(0.0001, 1_024) == PRICES.compute(0.001, 1_024)
    assert PRICES.compute(0.0011, 1_024) == PRICES.compute(0.002, 1_024)
    assert PRICES.compute(0, 1_024) == Money()


def test_requests_and_transitions() -> None:
    assert PRICES.requests(1) == Money(200)
    assert PRICES.transitions(4) == Money.of("0.0001")


@given(st.floats(0, 900), st.floats(0, 900), st.integers(128, 10_240))
def test_compute_is_never_cheaper_in_two_pieces_nor_below_its_exact_price(a: float, b: float, mb: int) -> None:
    assert PRICES.compute(a + b, mb) <= PRICES.compute(a, mb) + PRICES.compute(b, mb) + PRICES.compute(0.001, mb)
    exact = Decimal(str(a)) * mb / 1_024 * Decimal("0.0000166667")
    assert PRICES.compute(a, mb).dollars >= exact


def test_every_simulator_of_the_catalogue_has_a_price_and_costs_its_compute_only() -> None:
    simulators = [info for info in backends().values() if info.type != "hardware"]
    assert {str(PRICES.backend(info, 1, 1_000_000)) for info in simulators} == {"0.00"}


@pytest.mark.parametrize(
    ("name", "price"), [("ionq_aria", "0.90"), ("ionq_forte", "3.00"), ("ionq_simulator", "0")]
)
def test_ionq_asks_by_the_circuit(name: str, price: str) -> None:
    assert PRICES.backend(backend(name), 3, 1_000) == Money.of(price)


def test_of_unknown_hardware_no_price_is_known() -> None:
    assert PRICES.backend(backend("somebodys_machine"), 1, 1) is None


def test_every_price_names_its_source_and_its_day() -> None:
    table = PRICES.table
    for price in (table.compute, table.requests, table.transitions, *table.backends):
        assert price.source
        assert price.as_of <= date.today()


def test_prices_are_written_as_plain_decimals() -> None:
    shown = PRICES.table.model_dump(mode="json")
    assert (shown["requests"]["price"], shown["compute"]["price"]) == ("0.0000002", "0.0000166667")


def own(tmp_path: Path, **table: object) -> Prices:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(table))
    return Prices.load(path)


def test_an_installations_own_prices_go_before_ours_and_leave_the_others(tmp_path: Path) -> None:
    contract = {"backend": "ionq_aria", "per_circuit": "0.10", "per_shot": "0.001", "minimum": "5"}
    machine = {"backend": "machine", "per_shot": "0.00001"}
    ours = {"source": "our contract", "as_of": "2026-01-01"}
    prices = own(tmp_path, backends=[contract | ours, machine | ours])
    assert prices.backend(backend("ionq_aria"), 1, 100) == Money.of(5)
    assert prices.backend(backend("ionq_aria"), 10, 10_000) == Money.of(11)
    assert prices.backend(backend("machine"), 1, 1_000) == Money.of("0.01")
    assert prices.backend(backend("ionq_forte"), 1, 1) == Money.of(1)
    assert prices.compute(1, 1_024) == PRICES.compute(1, 1_024)


def test_a_backends_price_goes_before_its_types(tmp_path: Path) -> None:
    prices = own(tmp_path, backends=[{"backend": "aer", "per_circuit": 2, "source": "x", "as_of": "2026-01-01"}])
    assert prices.backend(backends()["aer"], 1, 1) == Money.of(2)
    assert prices.backend(backends()["fake_fez"], 1, 1) == Money()


def test_what_our_own_simulators_cost_says_nothing_of_a_providers(tmp_path: Path) -> None:
    sv1 = backend("braket_sv1", "simulator").model_copy(update={"engine": "braket"})
    assert PRICES.backend(sv1, 1, 1) is None
    assert PRICES.backend(backend("of_ours", "simulator"), 1, 1) == Money()
    machines = [{"type": "hardware", "per_circuit": 3, "source": "x", "as_of": "2026-01-01"}]
    machine = backend("braket_new", "hardware").model_copy(update={"engine": "braket"})
    assert own(tmp_path, backends=machines).backend(machine, 1, 1) == Money.of(3)


def test_a_task_on_a_quantum_computer_at_amazon_costs_a_fee_and_its_shots() -> None:
    garnet = backend("braket_iqm_garnet", "hardware").model_copy(update={"engine": "braket"})
    assert PRICES.backend(garnet, 1, 1_000) == Money.of("1.75")
    assert PRICES.backend(garnet, 3, 3_000) == Money.of("5.25")


@pytest.mark.parametrize(
    "price",
    [
        {"source": "x", "as_of": "2026-01-01"},
        {"backend": "a", "type": "hardware", "source": "x", "as_of": "2026-01-01"},
        {"backend": "a", "per_shot": -1, "source": "x", "as_of": "2026-01-01"},
        {"backend": "a", "per_hour": 1, "source": "x", "as_of": "2026-01-01"},
        {"backend": "a", "per_shot": "0.0000000001", "source": "x", "as_of": "2026-01-01"},
    ],
)
def test_a_price_that_makes_no_sense_is_refused(tmp_path: Path, price: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        own(tmp_path, backends=[price])
