"""The numbers of a model, as its `arrays.npz` holds them."""

import io
import zipfile

import numpy as np

from ketbase.errors import UnavailableError
from ketbase.quantum.training.inputs import Floats


def read(data: bytes) -> dict[str, Floats]:
    """Read all arrays by name; nothing is ever unpickled.

    Raises:
        UnavailableError: `ARTIFACT_DAMAGED`, they are no such arrays.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: np.asarray(file[name], dtype=np.float64) for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnavailableError("ARTIFACT_DAMAGED", f"The model's arrays cannot be read: {error}.") from error
