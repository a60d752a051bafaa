import pytest

from tests.e2e.stack import running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The whole backend, as `make up` starts it."""
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as stack:
        yield stack
