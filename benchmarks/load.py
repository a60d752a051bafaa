"""The users of the load test; see `benchmarks/foundation.py`."""

import os

from locust import FastHttpUser, task

from tests.e2e.circuits import ghz_json

HEADERS = {"X-API-Key": os.environ["KETBASE_KEY"]}
CIRCUIT = {"name": "load", **ghz_json(5)}


class Reader(FastHttpUser):
    @task
    def get_circuit(self) -> None:
        self.client.get(f"/v1/circuits/{os.environ['KETBASE_CIRCUIT']}", headers=HEADERS, name="get")


class Writer(FastHttpUser):
    @task
    def create_circuit(self) -> None:
        self.client.post("/v1/circuits", json=CIRCUIT, headers=HEADERS, name="create")
