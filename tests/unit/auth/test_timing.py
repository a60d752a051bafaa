"""The time of a failed sign-in does not tell whether the user exists: two distributions of one run overlap."""

import time

import pytest
from argon2 import Parameters, Type
from argon2.profiles import RFC_9106_LOW_MEMORY
from scipy.stats import mannwhitneyu

from ketbase.auth.passwords import Passwords
from ketbase.errors import InvalidError
from tests.unit.auth.conftest import ADDRESS, HERE, House

CHEAP = Parameters(Type.ID, 19, 16, 32, time_cost=1, memory_cost=1_024, parallelism=1)
WARM_UP = 3
OVERLAP = (0.2, 0.8)
"""Between these the area under the ROC curve of the best guesser by time lies; 0.5 is guessing blindly."""


@pytest.mark.parametrize(("parameters", "rounds"), [(CHEAP, 40), (RFC_9106_LOW_MEMORY, 25)], ids=["cheap", "real"])
def test_a_failed_sign_in_takes_as_long_for_somebody_as_for_nobody(tmp_path, parameters, rounds):
    house = House(tmp_path / "records.db", Passwords(parameters), tries=10 * rounds)
    times: dict[str, list[float]] = {ADDRESS: [], "nobody@example.com": []}
    for number in range(rounds + WARM_UP):
        # Each goes first as often as the other.
        for email in sorted(times, reverse=bool(number % 2)):
            began = time.perf_counter()
            with pytest.raises(InvalidError):
                house.grants.by_password(email, "wrong", HERE)
            if number >= WARM_UP:
                times[email].append(time.perf_counter() - began)
    known, unknown = times.values()
    area = mannwhitneyu(known, unknown).statistic / (len(known) * len(unknown))
    assert OVERLAP[0] <= area <= OVERLAP[1]


def test_the_statistic_would_tell_if_nobody_were_not_verified(tmp_path, monkeypatch):
    house = House(tmp_path / "records.db", Passwords(RFC_9106_LOW_MEMORY), tries=100)
    verify = house.passwords.verify
    monkeypatch.setattr(
        house.passwords, "verify", lambda kept, password: kept is not None and verify(kept, password)
    )
    times: dict[str, list[float]] = {ADDRESS: [], "nobody@example.com": []}
    for _ in range(5):
        for email, taken in times.items():
            began = time.perf_counter()
            with pytest.raises(InvalidError):
                house.grants.by_password(email, "wrong", HERE)
            taken.append(time.perf_counter() - began)
    known, unknown = times.values()
    area = mannwhitneyu(known, unknown).statistic / (len(known) * len(unknown))
    assert not OVERLAP[0] <= area <= OVERLAP[1]
