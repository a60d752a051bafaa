"""Asks a provider for its backends and their calibrations, and keeps both."""

import logging
from functools import partial

from ketbase.backends.calibrations import CalibrationHistory
from ketbase.backends.catalog import backends
from ketbase.backends.discovered import Discoveries
from ketbase.backends.types import REMOTE, BackendInfo, Engine
from ketbase.errors import KetbaseError
from ketbase.ports.quantum import QuantumProvider
from ketbase.providers.breaker import Breakers
from ketbase.types import Model

_LOG = logging.getLogger(__name__)


class Refreshment(Model):
    """What was learned.

    Attributes:
        backends: that the provider listed.
        calibrations: that are new.
        failed: backends whose calibration could not be read.
    """

    engine: Engine
    backends: int = 0
    calibrations: int = 0
    failed: tuple[str, ...] = ()


class Refresher:
    """Brings what is known of backends up to date."""

    def __init__(
        self,
        provider: QuantumProvider,
        breakers: Breakers,
        discoveries: Discoveries,
        calibrations: CalibrationHistory,
    ):
        self._provider = provider
        self._breakers = breakers
        self._discoveries = discoveries
        self._calibrations = calibrations

    def refresh(self, engine: Engine) -> Refreshment:
        """Ask once for everything.

        Raises:
            UnavailableError: the provider does not say which backends there are.
        """
        infos = self._listed(engine)
        new, failed = 0, []
        for info in infos:
            if info.calibration is not None and self._calibrations.has(info, info.calibration.taken_at):
                continue
            try:
                properties = self._breakers.call(engine, partial(self._provider.properties, info))
            except KetbaseError:
                _LOG.exception("the calibration of %s could not be read", info.id)
                failed.append(info.id)
                continue
            if properties is not None:
                new += self._calibrations.keep(info, properties)
        return Refreshment(engine=engine, backends=len(infos), calibrations=new, failed=tuple(failed))

    def _listed(self, engine: Engine) -> list[BackendInfo]:
        if engine not in REMOTE:
            return [info for info in backends().values() if info.engine == engine and info.calibration]
        sightings = self._breakers.call(engine, lambda: self._provider.sight(engine))
        self._discoveries.keep(engine, sightings)
        return [sighting.info for sighting in sightings]
