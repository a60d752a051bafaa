"""`ketbase auth`: look after signing in, in the stores that the KETBASE_ settings name."""

import sys

import typer

app = typer.Typer(help="Look after signing in.", no_args_is_help=True)


@app.callback()
def auth_options() -> None:
    """Look after signing in."""


@app.command()
def rotate_keys() -> None:
    """Let a new key sign access tokens; those of before are good until they are over."""
    from ketbase.runtime.wiring import key_rotation

    made = key_rotation().now()
    if made is None:
        print("Somebody else rotated the keys at the same moment.", file=sys.stderr)
        raise typer.Exit(1)
    print(f"{made} signs now.")
