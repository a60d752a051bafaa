"""`ketbase owner`: lets the first owner, who begins with an API key only, sign in."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def owner(
    email: Annotated[str, typer.Option(help="The address to sign in with")],
    data: Annotated[Path | None, typer.Option(help="The folder that `ketbase up` keeps everything in")] = None,
) -> None:
    """Give the first owner an address and a password, in the stores that the KETBASE_ settings name.

    The password is asked for, or taken from the variable KETBASE_OWNER_PASSWORD.
    """
    from pydantic import TypeAdapter, ValidationError

    from ketbase.accounts.requests import Email
    from ketbase.errors import KetbaseError

    if data is not None:
        os.environ["KETBASE_DATA"] = str(data.resolve())
    try:
        address = TypeAdapter[str](Email).validate_python(email)
    except ValidationError as problem:
        raise typer.BadParameter(f"{email!r} is no mail address.", param_hint="--email") from problem
    given = os.environ.get("KETBASE_OWNER_PASSWORD")
    password = given or typer.prompt("Password", hide_input=True, confirmation_prompt=True)

    from ketbase.runtime.wiring import first_owner

    try:
        first_owner().sign_in_with(address, password)
    except KetbaseError as problem:
        print(problem.message, file=sys.stderr)
        raise typer.Exit(1) from problem
    print(f"The first owner signs in as {address} now.")
