"""What the scheduled steps of the providers are asked."""

from ketbase.backends.types import Engine
from ketbase.types import Model


class AtProvider(Model):
    """Which provider a step is for."""

    engine: Engine
