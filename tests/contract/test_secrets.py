"""Secrets that lie at AWS, and the one that a machine makes for itself."""

import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ketbase.runtime.secrets import own_secret, reveal
from ketbase.runtime.settings import Settings
from tests import servers


@pytest.fixture(scope="module", params=["ministack", "moto"])
def aws(request: pytest.FixtureRequest) -> Any:
    url = request.getfixturevalue(request.param)
    return lambda service: servers.aws(service, url)


def test_a_setting_is_the_secret_itself_or_says_where_it_lies(aws: Any) -> None:
    aws("ssm").put_parameter(Name="/ketbase/dev/key", Value="from SSM", Type="SecureString")
    arn = aws("secretsmanager").create_secret(Name="ketbase-dev-key", SecretString="from Secrets Manager")["ARN"]
    assert reveal(SecretStr("plain"), aws) == "plain"
    assert reveal(SecretStr("ssm:/ketbase/dev/key"), aws) == "from SSM"
    assert reveal(SecretStr("secretsmanager:ketbase-dev-key"), aws) == "from Secrets Manager"
    assert reveal(SecretStr(f"secretsmanager:{arn}"), aws) == "from Secrets Manager"


def test_a_plain_secret_asks_aws_for_nothing() -> None:
    def nobody(service: str) -> Any:
        raise AssertionError(f"{service} was asked")

    assert reveal(SecretStr("plain"), nobody) == "plain"


def test_the_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("SECRET", "BOOTSTRAP_KEY", "OIDC_CLIENT_SECRET", "COS_SECRET_ACCESS_KEY", "COS_API_KEY")
    for name in names:
        monkeypatch.setenv(f"KETBASE_{name}", f"hidden-{name}")
    known = Settings()
    shown = f"{known!r} {known} {known.model_dump()} {known.model_dump_json()}"
    assert "hidden-" not in shown
    assert known.oidc_client_secret.get_secret_value() == "hidden-OIDC_CLIENT_SECRET"


def test_of_many_processes_that_need_a_secret_first_all_get_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(own_secret, [tmp_path / "data"] * 16)
    assert len(set(found)) == 1
    assert len(found[0]) >= 64
    assert stat.S_IMODE((tmp_path / "data/secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]
