"""Run the cloud: `python -m tests.standins.ibm --port 8002 --key some-key [--ideal]`."""

import argparse

from tests.standins.ibm.process import KEY
from tests.standins.ibm.server import Cloud, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the loopback interface; 0 takes a free one")
    parser.add_argument("--key", default=KEY, help="the API key that is valid")
    parser.add_argument("--ideal", action="store_true", help="the machines make no errors")
    chosen = parser.parse_args()
    server = serve(Cloud(chosen.key, ideal=chosen.ideal), chosen.port)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
