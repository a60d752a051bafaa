"""Finds secrets: a setting holds one itself, or says where it lies at AWS."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr

_FILE = "secret"
_NEW_SECRET_BYTES = 48
_PARAMETER, _SECRET = "ssm:", "secretsmanager:"


def reveal(setting: SecretStr, aws: Callable[[str], Any]) -> str:
    """Give the secret that a setting means.

    Args:
        setting: the secret; or `ssm:` and the name of a parameter; or `secretsmanager:` and a secret's name or ARN.
            What lies at AWS is asked for when it is needed.
        aws: makes the boto3 client of a service.
    """
    value = setting.get_secret_value()
    if value.startswith(_PARAMETER):
        from aws_lambda_powertools.utilities.parameters import SSMProvider

        parameters = SSMProvider(boto3_client=aws("ssm"))
        return str(parameters.get(value.removeprefix(_PARAMETER), decrypt=True))
    if value.startswith(_SECRET):
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        kept = SecretsProvider(boto3_client=aws("secretsmanager"))
        return str(kept.get(value.removeprefix(_SECRET)))
    return value


def own_secret(data: Path) -> str:
    """Read the secret that this machine keeps in its data folder; made at the first need, readable for its user."""
    path = data / _FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_text()
    data.mkdir(parents=True, exist_ok=True)
    # Written under another name first: whoever finds the file finds a whole secret in it, and only one is made.
    descriptor, draft = tempfile.mkstemp(dir=data, prefix=f".{_FILE}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(_NEW_SECRET_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
    return path.read_text()
