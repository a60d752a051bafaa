import pytest

from tests.e2e.cloud import running_cloud
from tests.e2e.roles import Roles, listed
from tests.e2e.stack import running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    """The whole backend, as `make up` starts it."""
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as stack:
        yield stack


@pytest.fixture(scope="session")
def deployed(tmp_path_factory):
    with running_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture
def cloud(deployed):
    """The deployed stack; whatever the test does with it, each AWS call must be allowed by the caller's role."""
    yield deployed
    assert not (refused := Roles(deployed).refused(Roles(deployed).called())), listed(refused)
