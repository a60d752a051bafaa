"""`ketbase train`: trains a model on a data set, and shows how well it does beside classical ones."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ketbase.local.client import ApiError, Client
from ketbase.local.login import LOCAL, client_of, kept_profile, told

_LOOK_EVERY_S = 0.5


def train(
    data: Annotated[str, typer.Argument(help="Such as wine, breast_cancer, digits, moons, or the id of an upload")],
    qubits: Annotated[int, typer.Option(help="Of the circuit")] = 4,
    layers: Annotated[int, typer.Option(help="Of the ansatz")] = 3,
    classes: Annotated[str, typer.Option(help="Only these, separated by commas")] = "",
    epochs: Annotated[int, typer.Option(help="At most")] = 50,
    kernel: Annotated[bool, typer.Option("--kernel", help="Fit a quantum kernel in place of a circuit")] = False,
    seed: Annotated[int, typer.Option(help="Of the split, the parameters and the order of samples")] = 0,
    key: Annotated[str, typer.Option(envvar="KETBASE_API_KEY", help="In place of what `ketbase login` kept")] = "",
    url: Annotated[str, typer.Option(help="Where the API answers, for that key")] = LOCAL,
) -> None:
    """Train a model where this machine is logged in, and show its figures beside classical baselines."""
    with told():
        client = Client(url, key) if key else client_of(kept_profile())
    dataset: dict[str, Any] = {"type": data, "seed": seed}
    if data.startswith("dataset_"):
        dataset = {"type": "upload", "dataset_id": data, "seed": seed}
    if classes:
        dataset["classes"] = [int(each) if each.lstrip("-").isdigit() else each for each in classes.split(",")]
    body = {
        "name": data,
        "template": {"n_qubits": qubits, "layers": layers},
        "config": {
            "method": "kernel" if kernel else "variational",
            "dataset": dataset,
            "epochs": epochs,
            "seed": seed,
        },
    }
    with told():
        job_id = client.submit_training(body)["job_id"]
        _follow(client, job_id)
        result = client.result(job_id)
    _show(result, client.url)


def _follow(client: Client, job_id: str) -> None:
    """Wait for the end of a job, with a bar."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("queued", total=100)
        while True:
            job = client.job(job_id)
            progress.update(bar, completed=job["progress"]["percentage"], description=job["progress"]["step"])
            if job["status"] == "completed":
                return
            if job["status"] in ("failed", "cancelled"):
                error = job.get("error") or {"code": job["status"].upper(), "message": f"{job_id} was cancelled."}
                raise ApiError(error["code"], error["message"])
            time.sleep(_LOOK_EVERY_S)


def _show(result: dict[str, Any], url: str) -> None:
    part = "test" if "test" in result["metrics"] else "validation"
    table = Table("", "accuracy", "95 %", "F1", "loss", title=f"{part} part")
    rows = {"this model": result["metrics"][part]} | result["baselines"]
    for name, figures in rows.items():
        accuracy = figures["accuracy"]
        table.add_row(
            name.replace("_", " "),
            f"{accuracy['value']:.3f}",
            f"{accuracy['low']:.3f} to {accuracy['high']:.3f}",
            f"{figures['f1']['value']:.3f}",
            f"{figures['loss']['value']:.3f}",
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{result['model_id']} {result['model_version']}: {url}/v1/models/{result['model_id']}/card")
