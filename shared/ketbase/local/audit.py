"""`ketbase audit`: look after the audit logs, in the stores that the KETBASE_ settings name."""

import functools
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ketbase.audit.types import Verification

app = typer.Typer(help="Look after the audit logs.", no_args_is_help=True)


@app.callback()
def audit_options() -> None:
    """Look after the audit logs."""


@app.command()
def verify(
    organization: Annotated[str, typer.Option(help="Whose log: an organisation's id, or all")] = "all",
) -> None:
    """Find out whether anybody changed a log: recompute its chain, and compare it with the archive.

    Ends with 1 where something was found, and names the first line that it shows in.
    """
    from ketbase.runtime.wiring import audit_verifier

    verifier = audit_verifier()
    chosen = verifier.organizations() if organization == "all" else [organization]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = False
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for organization_id in chosen:
            task = progress.add_task(organization_id, total=None)
            seen = verifier.verify(organization_id, functools.partial(_show, progress, task))
            progress.remove_task(task)
            found = found or seen.finding is not None
            print(_told(seen), flush=True)
    if not chosen:
        print("There are no sealed lines yet.")
    raise typer.Exit(1 if found else 0)


def _show(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


def _told(seen: Verification) -> str:
    finding = seen.finding
    if finding is None:
        return (
            f"✓ {seen.organization_id}: {seen.lines:,} sealed lines, {seen.archived:,} in the archive, "
            f"{seen.unsealed:,} to be sealed"
        )
    line = "" if finding.sequence is None else f" line {finding.sequence}"
    name = f" ({finding.line_id})" if finding.line_id else ""
    return f"✗ {seen.organization_id}: {finding.kind}{line}{name}, in the {finding.where}. {finding.message}"
