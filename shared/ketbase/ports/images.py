"""The images port: data sets in IDX form, which an installation keeps for all its tenants."""

from typing import Protocol


class Images(Protocol):
    """Files under names such as `mnist/train-images-idx3-ubyte.gz`."""

    def read(self, path: str) -> bytes | None:
        """Read a file whole; `None` where there is none."""
