r"""What is done to features before a circuit sees them, learnt from the training part alone.

A column is standardised by its mean and standard deviation $\sigma$ (a constant one by 1); where a circuit takes
fewer features than there are columns, they are projected on the principal components; and for rotations each column
is brought from the range $[l, h]$ that it has in the training part (a constant one, from 1) into $[0, \pi]$.
Nothing is clipped: a sample outside of the range gets an angle outside of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ketbase.errors import InvalidError
from ketbase.quantum.data.samples import Floats

_CONSTANT = 1e-12
"""A deviation below this share of the mean is a rounding error's."""
_NARROW = 1e-9
"""A range of standardised columns, or their components, that is no wider is a rounding error's."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Learnt once by `fit`; the arrays are those of `ketbase.models.types.ModelSpec`."""

    mean: Floats
    std: Floats
    center: Floats | None = None
    components: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None
    explained_variance: float | None = None
    """The share of the variance that the components keep; only known to whoever fitted."""

    @classmethod
    def fit(cls, x_train: Floats, n_features: int, *, angles: bool) -> "Preprocessing":
        """Learn from the training part.

        Args:
            x_train: raw features, shape (samples, columns).
            n_features: how many columns are left at most.
            angles: whether they become angles.

        Raises:
            InvalidError: `INVALID_DATA`, there are fewer samples than components.
        """
        mean = x_train.mean(axis=0)
        std = x_train.std(axis=0)
        std[std <= _CONSTANT * np.maximum(np.abs(mean), 1e-300)] = 1.0
        columns = (x_train - mean) / std
        center = components = low = high = explained = None
        if n_features < columns.shape[1]:
            center, components, explained = _principal(columns, n_features)
            columns = (columns - center) @ components.T
        if angles:
            low, high = columns.min(axis=0), columns.max(axis=0)
            high = np.where(high - low > _NARROW, high, low + 1.0)
        return cls(mean, std, center, components, low, high, explained)

    def apply(self, x: Floats) -> Floats:
        """Make raw features, shape (samples, columns), ready for the circuit."""
        columns = (x - self.mean) / self.std
        if self.components is not None and self.center is not None:
            columns = (columns - self.center) @ self.components.T
        if self.low is not None and self.high is not None:
            columns = (columns - self.low) * (math.pi / (self.high - self.low))
        return columns

    def arrays(self) -> dict[str, Floats]:
        """Give the arrays by name, without those that there are none of."""
        named = {name: getattr(self, name) for name in _ARRAYS}
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Floats]) -> "Preprocessing":
        """Take what `arrays` gave, others beside it or not."""
        center, components, low, high = (arrays.get(name) for name in _ARRAYS[2:])
        return cls(arrays["mean"], arrays["std"], center, components, low, high)


_ARRAYS = ("mean", "std", "center", "components", "low", "high")


def _principal(columns: Floats, count: int) -> tuple[Floats, Floats, float]:
    if len(columns) < count:
        raise InvalidError(
            "INVALID_DATA",
            f"{count} principal components need as many samples to train on; there are {len(columns)}.",
            field="dataset.n_components",
            given=count,
            limit=len(columns),
        )
    # Whoever only applies does not wait for this.
    from sklearn.decomposition import PCA

    fitted = PCA(count, random_state=0).fit(columns)
    return fitted.mean_, fitted.components_, float(fitted.explained_variance_ratio_.sum())
