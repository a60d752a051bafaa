"""What can be known to be wrong with the data of a training before it is read."""

from ketbase.datasets.catalog import known
from ketbase.datasets.parts import part_sizes
from ketbase.datasets.types import DataSpec
from ketbase.errors import InvalidError


def check(spec: DataSpec) -> None:
    """Refuse what is wrong whatever the data holds.

    Raises:
        InvalidError: `INVALID_DATA`, with the `field`.
    """
    uploaded = spec.type == "upload"
    if uploaded and spec.dataset_id is None:
        raise _invalid("dataset_id", "an upload is named by its dataset_id")
    for name in ("dataset_id", "label"):
        if not uploaded and getattr(spec, name) is not None:
            raise _invalid(name, f"{name} goes with the type upload, and this is {spec.type}")
    if spec.classes is not None and len(set(spec.classes)) < len(spec.classes):
        raise _invalid("classes", "each class is named once", given=list(spec.classes))
    if spec.type == "parity" and spec.noise > 1:
        raise _invalid("noise", "the noise of parity is the share of flipped labels, 1 at most", given=spec.noise)
    _check_known(spec)


def _check_known(spec: DataSpec) -> None:
    facts = known(spec)
    if facts is None:
        return
    wanted = facts.classes if spec.classes is None else spec.classes
    unknown = [label for label in wanted if label not in facts.classes]
    if unknown:
        there = ", ".join(map(repr, facts.classes))
        raise _invalid("classes", f"{spec.type} has no class {unknown[0]!r}; it has {there}", given=unknown)
    if spec.n_components is not None and spec.n_components > facts.n_features:
        raise _invalid(
            "n_components",
            f"{spec.type} has {facts.n_features} features, and no {spec.n_components} components",
            given=spec.n_components,
            limit=facts.n_features,
        )
    if facts.counts is not None:
        part_sizes(spec, sum(facts.counts[facts.classes.index(label)] for label in wanted))


def _invalid(name: str, problem: str, **details: object) -> InvalidError:
    message = f"dataset.{name}: {problem}."
    return InvalidError("INVALID_DATA", message, field=f"dataset.{name}", **details)
