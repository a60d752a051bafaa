"""Serves a function's invocations with AWS's runtime client, and writes down every AWS call that it makes.

Run by a function's bootstrap as `python -S -I`, as tests/functions/bootstrap.py is: the function sees its artifact,
its layers and the runtime, and nothing else of this machine.
"""

import json
import os
import sys
from pathlib import Path

sys.path[:0] = os.environ["LAMBDA_SEARCH_PATH"].split(":")
# For the processes that a function starts.
os.environ["PYTHONPATH"] = os.environ["LAMBDA_SEARCH_PATH"]


def write_down(params, model, **_):
    """Add a line before the call goes out, so that one that is refused is there too."""
    named = {name: value for name, value in params.items() if name not in ("Body", "Item", "MessageBody", "input")}
    line = {
        "function": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "service": model.service_model.service_name,
        "operation": model.name,
        "parameters": named,
    }
    path = Path(os.environ["WITNESS_FOLDER"], f"{os.getpid()}.jsonl")
    with path.open("a") as calls:
        calls.write(json.dumps(line, default=str) + "\n")


if __name__ == "__main__":
    import botocore.handlers
    from awslambdaric.__main__ import main

    # Every session that is made from here on begins with these.
    botocore.handlers.BUILTIN_HANDLERS.append(("before-parameter-build", write_down))
    main(["bootstrap", os.environ["_HANDLER"]])
