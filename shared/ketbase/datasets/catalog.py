"""What is known of data sets without reading them."""

from typing import NamedTuple

from ketbase.datasets.types import DataSpec, Label


class Known(NamedTuple):
    """Data, as far as it is known.

    Attributes:
        classes: the labels, in the order of the outputs.
        counts: samples of each class; `None` where only reading tells.
        n_features: before preprocessing.
    """

    classes: tuple[Label, ...]
    counts: tuple[int, ...] | None
    n_features: int


_TEN: tuple[Label, ...] = tuple(range(10))
_PIXELS = 28 * 28
N_BLOBS = 3

_KNOWN = {
    "iris": Known(("setosa", "versicolor", "virginica"), (50, 50, 50), 4),
    "wine": Known(("class_0", "class_1", "class_2"), (59, 71, 48), 13),
    "breast_cancer": Known(("malignant", "benign"), (212, 357), 30),
    "digits": Known(_TEN, (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), 64),
    "mnist": Known(_TEN, None, _PIXELS),
    "fashion_mnist": Known(_TEN, None, _PIXELS),
}
"""Classes and counts as scikit-learn gives them."""


def known(spec: DataSpec) -> Known | None:
    """Say what a data set holds; `None` for an upload."""
    match spec.type:
        case "moons" | "circles":
            return Known((0, 1), (spec.n_samples // 2, spec.n_samples - spec.n_samples // 2), 2)
        case "blobs":
            each, more = divmod(spec.n_samples, N_BLOBS)
            return Known(tuple(range(N_BLOBS)), tuple(each + (k < more) for k in range(N_BLOBS)), spec.n_features)
        case "parity":
            return Known((0, 1), None, spec.n_features)
        case _:
            return _KNOWN.get(spec.type)
