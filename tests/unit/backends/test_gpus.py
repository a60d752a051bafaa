"""What an installation with a GPU offers, and one without."""

from collections.abc import Iterator

import pytest

from ketbase.backends.service import Backends
from ketbase.runtime import wiring
from ketbase.runtime.settings import settings


@pytest.fixture
def offered(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    forget()
    yield monkeypatch
    forget()


def forget() -> None:
    for cached in (settings, *vars(wiring).values()):
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def on_gpu(backends: Backends) -> set[str]:
    return {info.id for info in backends.all() if info.capabilities.has_gpu}


def test_without_a_gpu_there_is_no_backend_that_has_one(offered: pytest.MonkeyPatch) -> None:
    backends = wiring.backends()
    assert on_gpu(backends) == set()
    assert "lightning" in {info.id for info in backends.all()}


def test_with_a_gpu_cuquantum_is_offered(offered: pytest.MonkeyPatch) -> None:
    offered.setenv("KETBASE_GPU", "on")
    assert on_gpu(wiring.backends()) == {"cuquantum"}


def test_lightning_has_a_gpu_where_its_build_for_one_is_installed(offered: pytest.MonkeyPatch) -> None:
    offered.setenv("KETBASE_GPU", "on")
    offered.setattr("importlib.metadata.distributions", lambda name: iter(["pennylane-lightning-gpu"]))
    assert on_gpu(wiring.backends()) == {"cuquantum", "lightning"}
