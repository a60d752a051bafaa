"""What uploaded files hold."""

import numpy as np

from ketbase.datasets.types import UploadFormat
from ketbase.ports.datasets import Contents
from ketbase.quantum.data.uploads import read_upload


class UploadReader:
    """The port `DataReader`."""

    def examine(self, data: bytes, form: UploadFormat, label: str | None) -> Contents:
        """Read a file whole.

        Raises:
            InvalidError: `INVALID_DATA`, it is not what it says, or something in it is no data.
        """
        samples = read_upload(data, form, label=label)
        counts = np.bincount(samples.y, minlength=len(samples.classes)).tolist()
        return Contents(len(samples.y), samples.names, samples.classes, tuple(counts))
