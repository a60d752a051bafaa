"""The data reader port: what an uploaded file holds, without naming a numerical library."""

from typing import NamedTuple, Protocol

from ketbase.datasets.types import Label, UploadFormat


class Contents(NamedTuple):
    """What was found in a file.

    Attributes:
        n_samples: rows.
        columns: names of the features.
        classes: the labels.
        counts: samples of each.
    """

    n_samples: int
    columns: tuple[str, ...]
    classes: tuple[Label, ...]
    counts: tuple[int, ...]


class DataReader(Protocol):
    """Reads uploaded files."""

    def examine(self, data: bytes, form: UploadFormat, label: str | None) -> Contents:
        """Read a file whole.

        Args:
            data: the file.
            form: what it is said to be.
            label: the column of the labels; the last one, where it is not said.

        Raises:
            InvalidError: `INVALID_DATA`, it is not what it says, or something in it is no data.
        """
