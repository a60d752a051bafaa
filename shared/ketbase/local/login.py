"""`ketbase login`, `logout` and `whoami`: an API key of one's own for this machine."""

import contextlib
import json
import socket
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from pydantic import SecretStr

from ketbase.local import profile
from ketbase.local.client import ApiError, Client

LOCAL = "http://127.0.0.1:8000"


def login(
    url: Annotated[str, typer.Option(help="Where the API answers")] = LOCAL,
    email: Annotated[str, typer.Option(help="The address to sign in with; asked for where it is left out")] = "",
    oidc: Annotated[bool, typer.Option("--oidc", help="Sign in at the identity provider, in a browser")] = False,
) -> None:
    """Sign in, and keep an API key of this machine's own."""
    with told():
        client = Client(url)
        token, refresh_token = _in_a_browser(client) if oidc else _with_a_password(client, email)
        signed_in = Client(url, token)
        name = socket.gethostname() or "command line"
        made = signed_in.make_key(name)
        user = signed_in.me()
        _end_former()
        profile.keep(profile.Profile(url=client.url, key_id=made["id"], key=SecretStr(made["key"])))
        with contextlib.suppress(ApiError):
            # The session was for making the key only.
            client.sign_out(refresh_token or token)
    print(f"You are {user['name']} ({user['role']}) at {client.url}; the key {name!r} is kept in {profile.path()}.")


def logout() -> None:
    """Revoke this machine's API key, and forget it."""
    kept = kept_profile()
    with told():
        _revoke(kept)
    profile.forget()
    print(f"The key is revoked; you are logged out of {kept.url}.")


def whoami() -> None:
    """Show who this machine's API key belongs to."""
    kept = kept_profile()
    with told():
        user = client_of(kept).me()
    print(f"{user['name']} <{user['email']}>, {user['role']} of {user['organization_id']}, at {kept.url}")


def _with_a_password(client: Client, email: str) -> tuple[str, str]:
    address = email or typer.prompt("Email")
    password = typer.prompt("Password", hide_input=True)
    try:
        tokens = client.sign_in(address, password)
    except ApiError as problem:
        if problem.code != "mfa_required":
            raise
        tokens = client.sign_in(address, password, typer.prompt("Code of your device"))
    return tokens["access_token"], tokens["refresh_token"]


def _in_a_browser(client: Client) -> tuple[str, str]:
    print(f"Open this in a browser, sign in, and copy all that it shows:\n\n  {client.url}/v1/auth/oidc/start\n")
    shown = typer.prompt("What it shows", hide_input=True).strip()
    try:
        tokens = json.loads(shown)
        return tokens["access_token"], tokens["refresh_token"]
    except (ValueError, KeyError, TypeError):
        return shown, ""


def _end_former() -> None:
    """Revoke the key of an earlier login, if it is still good."""
    former = profile.read()
    if former is not None:
        with contextlib.suppress(ApiError):
            _revoke(former)


def _revoke(kept: profile.Profile) -> None:
    try:
        client_of(kept).revoke_key(kept.key_id)
    except ApiError as problem:
        if problem.code not in ("API_KEY_REVOKED", "API_KEY_EXPIRED", "INVALID_API_KEY"):
            raise


def kept_profile() -> profile.Profile:
    """Read who is logged in on this machine, or end with 1."""
    kept = profile.read()
    if kept is None:
        print("Nobody is logged in on this machine: ketbase login --url …", file=sys.stderr)
        raise typer.Exit(1)
    return kept


def client_of(kept: profile.Profile) -> Client:
    """Call the installation that this machine is logged in to."""
    return Client(kept.url, kept.key.get_secret_value())


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say what was refused, and end with 1."""
    try:
        yield
    except ApiError as problem:
        print(problem, file=sys.stderr)
        raise typer.Exit(1) from problem
