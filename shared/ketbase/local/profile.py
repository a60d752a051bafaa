"""Where the command line keeps the API key that `ketbase login` made, readable for its user alone."""

import json
import os
from pathlib import Path

import typer
from pydantic import SecretStr, ValidationError

from ketbase.types import Model

_FILE = "login.json"


class Profile(Model):
    """An installation, and the key to it.

    Attributes:
        url: of the API, without a slash at the end.
    """

    url: str
    key_id: str
    key: SecretStr


def path() -> Path:
    """The file, in the folder that this system has for such things."""
    return Path(typer.get_app_dir("ketbase")) / _FILE


def read() -> Profile | None:
    """Read what is kept; `None` where nobody logged in."""
    try:
        return Profile.model_validate_json(path().read_text())
    except (FileNotFoundError, ValidationError):
        return None


def keep(profile: Profile) -> None:
    """Keep a profile in place of an earlier one."""
    path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path().with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(profile.model_dump() | {"key": profile.key.get_secret_value()}, file)
    draft.replace(path())


def forget() -> None:
    """Take the profile away."""
    path().unlink(missing_ok=True)
