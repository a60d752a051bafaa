"""Links to blobs lead to the bucket's own region."""

from collections.abc import Iterator

import pytest

from ketbase.runtime import wiring
from ketbase.runtime.settings import settings


@pytest.fixture
def fresh() -> Iterator[None]:
    for made in (settings, wiring.blobs, wiring._aws):
        made.cache_clear()
    yield
    for made in (settings, wiring.blobs, wiring._aws):
        made.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("variable", ["KETBASE_ENDPOINT_URL", "AWS_ENDPOINT_URL"])
def test_a_link_leads_to_where_the_services_are_if_not_at_aws(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    keys = {"AWS_DEFAULT_REGION": "x", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in {"KETBASE_BLOBS": "s3", variable: "http://127.0.0.1:9", **keys}.items():
        monkeypatch.setenv(name, value)
    link = wiring.blobs().upload_link("a/b", 60)
    assert link is not None
    assert link.startswith("http://127.0.0.1:9/ketbase/a/b?")


@pytest.mark.usefixtures("fresh")
def test_a_link_names_the_region_so_that_s3_does_not_redirect_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KETBASE_BLOBS": "s3",
        "KETBASE_BUCKET": "house",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    for link in (wiring.blobs().link("a/b", 60), wiring.blobs().upload_link("a/b", 60)):
        assert link is not None
        assert link.startswith("https://house.s3.eu-central-1.amazonaws.com/a/b?X-Amz-Algorithm=AWS4-HMAC-SHA256")
