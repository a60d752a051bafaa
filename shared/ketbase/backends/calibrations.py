"""The calibrations that backends had: providers forget them, so they are kept here, one for each that was made."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from ketbase.backends.remote import Properties
from ketbase.backends.types import BackendInfo, Calibration
from ketbase.errors import NotFoundError
from ketbase.ids import id_ceiling, id_floor
from ketbase.paging import PageRequest, Slice, take
from ketbase.ports.blobs import BlobNotFoundError, Blobs
from ketbase.ports.clock import Clock
from ketbase.ports.records import Absent, ConditionFailedError, Item, Key, Put, Records, Update, walk
from ketbase.types import Model, Moment

_NO_RANDOMNESS = "0" * 16


class KeptCalibration(Model):
    """A calibration in the history of a backend.

    Attributes:
        id: the same for the same calibration, however often it is read.
        kept_at: when it was first seen here.
        medians: over the qubits and couplers that worked.
    """

    id: str
    backend: str
    taken_at: Moment
    kept_at: Moment
    medians: Calibration | None


class CalibrationHistory:
    """Keeps and shows calibrations."""

    def __init__(self, records: Records, blobs: Blobs, clock: Clock):
        self._records = records
        self._blobs = blobs
        self._clock = clock

    def keep(self, backend: BackendInfo, properties: Properties) -> bool:
        """Keep a calibration, unless it is there; says whether it is new."""
        kept = KeptCalibration(
            id=id_of(properties.taken_at),
            backend=backend.id,
            taken_at=properties.taken_at,
            kept_at=self._clock.now(),
            medians=backend.calibration,
        )
        place = Key(_partition(backend.id), kept.id)
        if self.has(backend, properties.taken_at):
            return False
        text = properties.model_dump_json()
        self._blobs.put(_blob(backend.id, kept.id), text.encode(), content_type="application/json")
        with suppress(ConditionFailedError):  # another kept the same meanwhile
            self._records.write(
                Put(Item(place, kept.model_dump(mode="json")), (Absent(),)),
                Update(_tally(backend.id), add={"calibrations": 1}),
            )
            return True
        return False

    def has(self, backend: BackendInfo, taken_at: datetime) -> bool:
        """Whether the calibration that was made at a moment is there."""
        return self._records.get(Key(_partition(backend.id), id_of(taken_at))) is not None

    def list(self, backend: BackendInfo, request: PageRequest) -> Slice[KeptCalibration]:
        """List a backend's calibrations in the order in which they were made."""
        tally = self._records.get(_tally(backend.id))
        total = 0 if tally is None else int(tally.values["calibrations"])
        return take(self._walk(backend.id, after=request.cursor, descending=request.descending), request, total)

    def get(self, backend: BackendInfo, calibration_id: str) -> Properties:
        """Read all of a calibration.

        Raises:
            NotFoundError: `CALIBRATION_NOT_FOUND`.
        """
        try:
            return Properties.model_validate_json(self._blobs.get(_blob(backend.id, calibration_id)))
        except BlobNotFoundError as problem:
            raise NotFoundError(
                "CALIBRATION_NOT_FOUND",
                f"{backend.id} has no calibration {calibration_id!r}; "
                f"GET /v1/backends/{backend.id}/calibrations lists those it has.",
                calibration_id=calibration_id,
            ) from problem

    def in_force(self, backend_id: str, moment: datetime) -> KeptCalibration | None:
        """Find the calibration that a backend ran under at some moment; `None` where none is known from then."""
        return next(self._walk(backend_id, after=id_ceiling("cal", moment), descending=True), None)

    def _walk(self, backend_id: str, *, after: str | None, descending: bool) -> Iterator[KeptCalibration]:
        items = walk(self._records, _partition(backend_id), after=after, descending=descending, limit=20)
        return (KeptCalibration.model_validate(item.values) for item in items)


def id_of(taken_at: datetime) -> str:
    """Name the calibration that was made at a moment."""
    return f"{id_floor('cal', taken_at)}{_NO_RANDOMNESS}"


def _partition(backend_id: str) -> str:
    return f"calibrations#{backend_id}"


def _tally(backend_id: str) -> Key:
    return Key("calibrations#tallies", backend_id)


def _blob(backend_id: str, calibration_id: str) -> str:
    return f"calibrations/{backend_id}/{calibration_id}.json"
