"""Gets the samples that a training asks for."""

from ketbase.datasets.checks import check
from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError
from ketbase.ports.images import Images
from ketbase.quantum.data import samples as kept
from ketbase.quantum.data.images import images
from ketbase.quantum.data.samples import Samples
from ketbase.quantum.data.sources import BUNDLED, GENERATED, bundled, generated
from ketbase.quantum.data.uploads import read_upload


def load(spec: DataSpec, upload: bytes | None = None, where: Images | None = None) -> tuple[Samples, str]:
    """Read samples, only of the classes that are asked for, before any preprocessing.

    Args:
        spec: which.
        upload: the file, for `upload`.
        where: the installation's images are.

    Returns:
        The samples, and the SHA-256 of all of them before any class is left out.

    Raises:
        InvalidError: `INVALID_DATA`, with what is wrong and where; `DATA_NOT_THERE`, the installation does not have
            these images.
    """
    check(spec)
    samples = _read(spec, upload, where)
    sha256 = kept.sha256(samples)
    return (samples if spec.classes is None else kept.only(samples, spec.classes)), sha256


def _read(spec: DataSpec, upload: bytes | None, where: Images | None) -> Samples:
    if spec.type in BUNDLED:
        return bundled(spec)
    if spec.type in GENERATED:
        return generated(spec)
    if spec.type != "upload":
        return images(spec.type, where)
    if upload is None:
        raise InvalidError("INVALID_DATA", "The uploaded file is not there.", field="dataset.dataset_id")
    return read_upload(upload, label=spec.label)
