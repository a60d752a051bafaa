"""Run the cloud: `python -m tests.standins.ionq --port 8001 --key some-key --data /tmp/ionq.db`."""

import argparse
from pathlib import Path

from tests.standins.ionq.server import Cloud, serve
from tests.standins.ionq.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the loopback interface; 0 takes a free one")
    parser.add_argument("--key", default="ionq-key-for-tests", help="the API key that is valid")
    parser.add_argument("--data", type=Path, required=True, help="the SQLite file that keeps the jobs")
    chosen = parser.parse_args()
    server = serve(Cloud(Store(chosen.data), chosen.key), chosen.port)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
