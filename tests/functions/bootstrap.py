"""Serves invocations with AWS's runtime client, seeing the built artifacts and nothing else of this machine.

Run as `python -S -I`, so that the module search path is the standard library and `LAMBDA_SEARCH_PATH`: the function,
its layers, the runtime.
"""

import os
import sys

sys.path[:0] = os.environ["LAMBDA_SEARCH_PATH"].split(":")
# For the processes that a function starts.
os.environ["PYTHONPATH"] = os.environ["LAMBDA_SEARCH_PATH"]

if __name__ == "__main__":
    from awslambdaric.__main__ import main

    main(["bootstrap", os.environ["_HANDLER"]])
