"""Data sets as they are named in a training, and as uploads are kept."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ketbase.types import Model, Moment

MAX_SAMPLES = 100_000
MAX_FEATURES = 10_000
MAX_CELLS = 20_000_000
"""Numbers of an upload, samples times features."""
MAX_CLASSES = 64
MAX_UPLOAD_BYTES = 100_000_000

type Label = int | str
type Bundled = Literal["iris", "wine", "breast_cancer", "digits"]
type Generated = Literal["moons", "circles", "blobs", "parity"]
type Images = Literal["mnist", "fashion_mnist"]
type UploadFormat = Literal["csv", "npz", "parquet"]
type Count = Annotated[int, Field(ge=1, le=MAX_SAMPLES)]


class DataSpec(Model):
    """Which data a model is trained on.

    Attributes:
        type: a data set that comes with scikit-learn; one that is made up from a seed; images in IDX form from the
            installation's own folder or bucket; or `upload`, with `dataset_id`.
        dataset_id: of an upload.
        label: the column of a CSV or Parquet upload that holds the classes; the last one, where it is not said. An
            NPZ upload holds arrays `x`, shape (samples, features), and `y`, shape (samples,).
        classes: only samples of these, in this order; all, where none are given.
        train_size: samples to train on; what the others leave, where it is not said.
        val_size: samples that choose the best epoch.
        test_size: samples that are looked at once, at the end.
        n_samples: of a data set that is made up.
        noise: of one that is made up: the standard deviation of what is added, for `parity` the share of flipped
            labels.
        n_features: of `blobs` and `parity`.
        n_components: keep so many principal components; as many as the circuit has features, where it has fewer
            features than the data.
        seed: of the split, and of data that is made up.
    """

    type: Bundled | Generated | Images | Literal["upload"]
    dataset_id: str | None = None
    label: str | None = None
    classes: Annotated[tuple[Label, ...], Field(min_length=2, max_length=MAX_CLASSES)] | None = None
    train_size: Count | None = None
    val_size: Count | None = None
    test_size: Count | None = None
    n_samples: Annotated[int, Field(ge=8, le=MAX_SAMPLES)] = 400
    noise: Annotated[float, Field(ge=0, le=10)] = 0.1
    n_features: Annotated[int, Field(ge=1, le=64)] = 4
    n_components: Annotated[int, Field(ge=1, le=1024)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class DataSummary(Model):
    """What was found in a data set, and how it was divided.

    Attributes:
        sha256: of all samples and labels, in the order of the file, before any preprocessing.
        classes: the labels, in the order of the outputs.
        counts: samples of each class in each part: `train`, `validation`, `test`.
        features: names, or numbers where there are none, before preprocessing.
        explained_variance: the share of the variance that the principal components keep; `None` without them.
    """

    type: str
    dataset_id: str | None = None
    sha256: str
    classes: tuple[Label, ...]
    counts: dict[str, tuple[int, ...]]
    features: tuple[str, ...]
    explained_variance: float | None = None


class Dataset(Model):
    """An uploaded file.

    Attributes:
        status: `waiting` until the file was checked; `refused`, with `problem`, where it is not what it says.
        sha256: of the file.
        n_samples: rows.
        n_features: columns without the one of the labels.
        columns: what the first hundred features are called.
        classes: the labels.
        counts: samples of each class.
        label: the column that was looked at for the labels; `None` for the last one.
    """

    id: str
    user_id: str
    name: str
    format: UploadFormat
    status: Literal["waiting", "ready", "refused"]
    problem: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    n_samples: int | None = None
    n_features: int | None = None
    columns: tuple[str, ...] = ()
    classes: tuple[Label, ...] = ()
    counts: tuple[int, ...] = ()
    label: str | None = None
    created_at: Moment
    checked_at: Moment | None = None


class CreateDataset(Model):
    """The body of `POST /v1/datasets`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    format: UploadFormat


class CheckDataset(Model):
    """The body of `POST /v1/datasets/{id}/check`.

    Attributes:
        label: the column of the labels; the last one, where it is not said.
    """

    label: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None


class Upload(Model):
    """Where to send the file: `PUT upload_url` with the bytes and `headers`, within `expires_in_s` seconds."""

    dataset: Dataset
    upload_url: str
    headers: dict[str, str] = Field(default_factory=dict)
    expires_in_s: int
