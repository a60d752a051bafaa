"""Start the stand-in: `python -m tests.standins.braket --port 9000 --s3 http://127.0.0.1:5000`."""

import argparse

from tests.servers import aws
from tests.standins.braket.server import serve

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--s3", required=True, help="where results are put")
given = parser.parse_args()
server = serve(given.port, aws("s3", given.s3))
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
