"""Lets a new key sign access tokens, on a schedule or when an operator says so."""

from datetime import timedelta

from ketbase.audit.lines import system_line
from ketbase.auth.signing_keys import SigningKeys
from ketbase.ports.clock import Clock

DUE_AFTER = timedelta(days=29)
"""The schedule calls every thirty days, and on one machine at each start too."""
_INSTALLATION = "installation"


class KeyRotation:
    """Rotates the signing keys, and says so in the installation's own audit log."""

    def __init__(self, keys: SigningKeys, clock: Clock):
        self._keys = keys
        self._clock = clock

    def when_due(self) -> str | None:
        """Rotate unless the key is young; gives the new key's id."""
        return self._rotate(DUE_AFTER)

    def now(self) -> str | None:
        """Rotate; gives the new key's id, or `None` where somebody else did at the same moment."""
        return self._rotate(timedelta(0))

    def _rotate(self, older_than: timedelta) -> str | None:
        told = system_line(self._clock, _INSTALLATION, "signing_key.rotated", _INSTALLATION)
        return self._keys.rotate(told, older_than=older_than)
