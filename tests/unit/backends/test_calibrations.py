"""Calibrations are kept once each, found by when they were in force, and shown with their backends."""

from datetime import UTC, datetime, timedelta

import pytest

from ketbase.adapters.records.sqlite import SqliteRecords
from ketbase.backends.calibrations import CalibrationHistory
from ketbase.backends.catalog import backends as catalogue
from ketbase.backends.discovered import Discoveries
from ketbase.backends.remote import Properties, Sighting
from ketbase.costs.prices import Prices
from ketbase.costs.quotes import Quotes
from ketbase.errors import NotFoundError, UnavailableError
from ketbase.paging import PageRequest
from ketbase.providers.breaker import Breakers
from ketbase.providers.refresher import Refresher
from tests.fakes import DictBlobs, FakeRemoteProvider, TurnedClock, backends_of, job_store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FEZ = catalogue()["fake_fez"].model_copy(update={"id": "ibm_fez", "type": "hardware", "engine": "ibm"})


class Scene:
    def __init__(self, path):
        self.clock = TurnedClock()
        self.records = SqliteRecords(path, self.clock)
        self.blobs = DictBlobs()
        self.history = CalibrationHistory(self.records, self.blobs, self.clock)
        self.discoveries = Discoveries(self.records, self.clock)
        self.store = job_store(self.records, self.clock)
        quotes = Quotes(Prices.load(None), compute_memory_mb=1_024, control_memory_mb=512)
        self.backends = backends_of(self.records, self.store, quotes, self.clock, ("aer", "ibm"))
        self.provider = FakeRemoteProvider()
        self.refresher = Refresher(
            self.provider, Breakers(self.records, open_s=0.0), self.discoveries, self.history
        )

    def keep(self, moment):
        return self.history.keep(FEZ, Properties(backend=FEZ.id, taken_at=moment, qubits=({"t1_us": 100.0},)))


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path / "r.db")


def test_a_calibration_is_kept_once_however_often_it_is_read(scene):
    assert [scene.keep(NOON), scene.keep(NOON), scene.keep(NOON + timedelta(hours=1))] == [True, False, True]
    listed = scene.history.list(FEZ, PageRequest())
    assert listed.total == 2
    assert [each.taken_at for each in listed.items] == [NOON + timedelta(hours=1), NOON]
    assert scene.history.get(FEZ, listed.items[1].id).qubits == ({"t1_us": 100.0},)


def test_a_list_of_calibrations_goes_on_behind_its_cursor(scene):
    for hours in range(5):
        scene.keep(NOON + timedelta(hours=hours))
    first = scene.history.list(FEZ, PageRequest(limit=3))
    second = scene.history.list(FEZ, PageRequest(limit=3, cursor=first.cursor))
    hours = [(each.taken_at - NOON) / timedelta(hours=1) for each in (*first.items, *second.items)]
    assert hours == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(("minutes", "found"), [(-1, None), (0, 0), (59, 0), (60, 1), (600, 1)])
def test_the_calibration_in_force_is_the_last_one_made_before(scene, minutes, found):
    for hours in (1, 0):
        scene.keep(NOON + timedelta(hours=hours))
    kept = scene.history.in_force(FEZ.id, NOON + timedelta(minutes=minutes))
    assert (None if kept is None else kept.taken_at) == (None if found is None else NOON + timedelta(hours=found))


def test_an_unknown_calibration_is_not_found(scene):
    with pytest.raises(NotFoundError, match="lists those it has"):
        scene.history.get(FEZ, "cal_00000000000000000000000000")


def test_what_a_provider_lists_is_there_and_what_it_lists_no_more_is_not_available(scene):
    sighting = Sighting(info=FEZ, available=True, raw_status="active", queue_depth=7, avg_wait_s=120.0)
    scene.discoveries.keep("ibm", (sighting,))
    shown = next(each for each in scene.backends.list() if each.id == "ibm_fez")
    assert (shown.status, shown.queue_depth) == ("available", 7)
    status = scene.backends.status("ibm_fez")
    assert (status.raw_status, status.queue.avg_wait_time_sec, status.as_of) == ("active", 120.0, scene.clock.now())
    scene.discoveries.keep("ibm", ())
    assert scene.backends.status("ibm_fez").status == "unavailable"
    assert scene.backends.info("ibm_fez") == FEZ


def test_backends_of_an_engine_that_is_not_set_up_are_not_there(scene):
    sighting = Sighting(info=FEZ.model_copy(update={"engine": "braket"}), available=True, raw_status="ONLINE")
    scene.discoveries.keep("braket", (sighting,))
    with pytest.raises(NotFoundError, match="ibm_fez"):
        scene.backends.info("ibm_fez")
    assert "ibm_fez" not in {each.id for each in scene.backends.list()}


def test_a_refresh_keeps_backends_and_the_calibrations_that_can_be_read(scene):
    infos = [FEZ, FEZ.model_copy(update={"id": "ibm_oslo"}), FEZ.model_copy(update={"id": "ibm_rome"})]

    def properties(info):
        if info.id == "ibm_oslo":
            raise UnavailableError("PROVIDER_UNAVAILABLE", "not now")
        return None if info.id == "ibm_rome" else Properties(backend=info.id, taken_at=NOON, qubits=())

    scene.provider.sight = lambda _: tuple(Sighting(info=i, available=True, raw_status="active") for i in infos)
    scene.provider.properties = properties
    done = scene.refresher.refresh("ibm")
    assert (done.backends, done.calibrations, done.failed) == (3, 1, ("ibm_oslo",))
    assert scene.refresher.refresh("ibm").calibrations == 0
    assert {each.info.id for each in scene.discoveries.walk()} == {"ibm_fez", "ibm_oslo", "ibm_rome"}
