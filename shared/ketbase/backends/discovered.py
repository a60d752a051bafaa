"""The backends that providers told us of, as they were when last asked."""

from collections.abc import Iterator

from ketbase.backends.remote import Sighting
from ketbase.backends.types import BackendInfo, Engine
from ketbase.ports.clock import Clock
from ketbase.ports.records import Item, Key, Put, Records, walk
from ketbase.types import Model, Moment

_PARTITION = "backends#discovered"


class Discovered(Model):
    """A sighting, and when it was."""

    sighting: Sighting
    seen_at: Moment

    @property
    def info(self) -> BackendInfo:
        """The backend."""
        return self.sighting.info


class Discoveries:
    """Keeps the last sighting of each backend; one that its provider lists no more stays, as not available."""

    def __init__(self, records: Records, clock: Clock):
        self._records = records
        self._clock = clock

    def get(self, backend_id: str) -> Discovered | None:
        """Read what is known of a backend."""
        item = self._records.get(Key(_PARTITION, backend_id))
        return None if item is None else Discovered.model_validate(item.values)

    def walk(self) -> Iterator[Discovered]:
        """Walk all backends, in alphabetical order of their ids."""
        return (Discovered.model_validate(item.values) for item in walk(self._records, _PARTITION))

    def keep(self, engine: Engine, sightings: tuple[Sighting, ...]) -> None:
        """Keep what a provider listed just now."""
        listed = {sighting.info.id for sighting in sightings}
        gone = [
            each.sighting.model_copy(update={"available": False, "raw_status": "not listed"})
            for each in self.walk()
            if each.info.engine == engine and each.info.id not in listed
        ]
        for sighting in (*sightings, *gone):
            found = Discovered(sighting=sighting, seen_at=self._clock.now())
            place = Key(_PARTITION, sighting.info.id)
            self._records.write(Put(Item(place, found.model_dump(mode="json"))))
