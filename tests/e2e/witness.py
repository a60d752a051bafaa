"""Serves a function's invocations with AWS's runtime client, and writes down every AWS call that it makes.

Run by a function's bootstrap as `python -S -I`, so that the module search path is the standard library and
`LAMBDA_SEARCH_PATH`: the function, its layers, the runtime.
"""

import json
import os
import sys
from pathlib import Path

NOT_A_RESOURCE = {"Body", "Item", "MessageBody", "input"}

sys.path[:0] = os.environ["LAMBDA_SEARCH_PATH"].split(":")
# For the processes that a function starts.
os.environ["PYTHONPATH"] = os.environ["LAMBDA_SEARCH_PATH"]


def write_down(params, model, **_):
    """Write before the call goes out, so that one that is refused is written too."""
    call = {
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "service": model.service_model.service_name,
        "operation": model.name,
        "parameters": {name: value for name, value in params.items() if name not in NOT_A_RESOURCE},
    }
    line = json.dumps(call, default=str) + "\n"
    with Path(os.environ["WITNESS_FOLDER"], f"{os.getpid()}.jsonl").open("a") as calls:
        calls.write(line)


def through_tls(params, **_):
    """Say that the call came through TLS, which the buckets' policies ask for; the emulator itself speaks plain HTTP."""
    params["headers"]["X-Forwarded-Proto"] = "https"


if __name__ == "__main__":
    import botocore.handlers
    from awslambdaric.__main__ import main

    # Every session of this process begins with these handlers.
    botocore.handlers.BUILTIN_HANDLERS += [("before-parameter-build", write_down), ("before-call", through_tls)]
    main(["bootstrap", os.environ["_HANDLER"]])
