"""How long predictions take in the function: a warm 8-qubit model, one sample and a thousand.

Run by `make bench-predict`. The handler of `functions/models/predict` is called in one process with the events that
API Gateway would send, over SQLite: authentication, rate limit, prediction, books and counters are all in it.
"""

import base64
import contextlib
import importlib.util
import io
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
KEY = "qsk_dev_000000000000000000000001"
N_QUBITS, N_LAYERS, N_RAW = 8, 4, 30
SHAPES = {1: 1_000, 10: 300, 100: 100, 1_000: 50}
"""Samples of one request, and how many requests are made."""
AIMS_MS = {(1, 50): 10.0, (1, 95): 25.0, (1_000, 50): 150.0}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "KETBASE_DATA": folder,
            "KETBASE_MAX_KEY_RATE_LIMIT": "1000000",
            "POWERTOOLS_TRACE_DISABLED": "1",
        }
        handler, model_id = prepared()
        missed = False
        table = Table("samples", "requests", "p50 ms", "p95 ms", "p99 ms", "inference p50 ms", "aim")
        for samples, requests in SHAPES.items():
            with contextlib.redirect_stdout(io.StringIO()):  # metrics go there
                took, inference = measured(handler, model_id, samples, requests)
            p50, p95, p99 = (float(np.percentile(took, share)) for share in (50, 95, 99))
            aims = [
                (f"p{share} < {aim:g}", (p50 if share == 50 else p95) < aim)
                for (size, share), aim in AIMS_MS.items()
                if size == samples
            ]
            missed |= not all(met for _, met in aims)
            said = [f"{aim}: {'yes' if met else 'NO'}" for aim, met in aims]
            figures = (f"{each:.2f}" for each in (p50, p95, p99, statistics.median(inference)))
            table.add_row(f"{samples:,}", str(requests), *figures, ", ".join(said))
        Console(width=130).print(table)
    if missed:
        raise SystemExit(1)


def prepared() -> tuple[Any, str]:
    """Found an organisation, deploy a model, and load the function."""
    import logging

    from ketbase.accounts.types import Origin
    from ketbase.costs.budget import UpdateBudget
    from ketbase.models.types import DeployModel
    from ketbase.runtime import wiring
    from tests.trained import made, trained

    logging.disable(logging.CRITICAL)
    wiring.founding().found(KEY)
    caller = wiring.keys().authenticate(KEY, Origin())
    wiring.budgets().update(caller, UpdateBudget.model_validate({"monthly_limit": "1000"}))
    spec_and_arrays = made(N_QUBITS, N_RAW, n_layers=N_LAYERS)
    entry = wiring.registry().add(caller.organization_id, trained(spec_and_arrays=spec_and_arrays))
    wiring.deployments().deploy(caller, entry.id, DeployModel())
    path = ROOT / "functions/models/predict/app.py"
    spec = importlib.util.spec_from_file_location("predict", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler, entry.id


def measured(handler: Any, model_id: str, samples: int, requests: int) -> tuple[list[float], list[float]]:
    """Give the milliseconds of each request, and those that the model took of them."""
    dice = np.random.default_rng(samples)
    event = json.loads((ROOT / "events/models/predict.json").read_text())
    path = f"/v1/models/{model_id}/predict"
    event |= {"rawPath": path, "pathParameters": {"model_id": model_id}}
    event["requestContext"]["http"]["path"] = path
    took, inference = [], []
    for number in range(requests + 3):
        event["body"] = json.dumps({"inputs": dice.normal(size=(samples, N_RAW)).tolist()})
        event["headers"]["content-length"] = str(len(event["body"]))
        started = time.perf_counter()
        answer = handler(event, _Context())
        seconds = time.perf_counter() - started
        body = answer["body"]
        data = json.loads(base64.b64decode(body) if answer.get("isBase64Encoded") else body)
        assert answer["statusCode"] == 200, data
        if number >= 3:  # warm
            took.append(seconds * 1_000)
            inference.append(data["data"]["inference_time_ms"])
    return took, inference


class _Context:
    """What Lambda tells a function of itself."""

    function_name = "predict"
    memory_limit_in_mb = 1_769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:predict"
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


if __name__ == "__main__":
    main()
