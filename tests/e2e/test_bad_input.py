"""Whatever comes in, the answer is an envelope that says what was wrong, and nothing is half-written."""

import json
import time

import pytest

from tests.e2e.circuits import ghz_json

H = {"type": "H", "targets": [0]}
STD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
STD2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
NESTED = (
    STD2
    + "gate g0 a { x a; }\n"
    + "".join(f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }}\n" for n in range(1, 28_000))
)

BAD_CIRCUITS = {
    "nothing": ({}, "VALIDATION_ERROR"),
    "no name": ({"name": "", "n_qubits": 1, "gates": [H]}, "VALIDATION_ERROR"),
    "31 qubits": ({"n_qubits": 31, "gates": [H]}, "VALIDATION_ERROR"),
    "10,001 gates": ({"n_qubits": 1, "gates": [H] * 10_001}, "VALIDATION_ERROR"),
    "unknown gate": ({"n_qubits": 1, "gates": [{"type": "WARP", "targets": [0]}]}, "VALIDATION_ERROR"),
    "missing qubit": ({"n_qubits": 2, "gates": [{"type": "H", "targets": [2]}]}, "VALIDATION_ERROR"),
    "repeated qubit": ({"n_qubits": 2, "gates": [{"type": "CZ", "targets": [1, 1]}]}, "VALIDATION_ERROR"),
    "metadata of 11 kB": ({"n_qubits": 1, "gates": [H], "metadata": {"x": "y" * 11_000}}, "VALIDATION_ERROR"),
    "no QASM at all": ({"qasm": "hello"}, "INVALID_QASM"),
    "QASM 2 on line 4": ({"qasm": STD2 + "qreg q[1];\nwarp q[0];\n"}, "INVALID_QASM"),
    "QASM 3 on line 4": ({"qasm": STD + "qubit[1] q;\nwarp q[0];\n"}, "INVALID_QASM"),
    "QASM 3 syntax": ({"qasm": STD + "qubit[1] q\nh q[0];\n"}, "INVALID_QASM"),
    "index out of range": ({"qasm": STD + "qubit[2] q;\nh q[2];\n"}, "INVALID_QASM"),
    "a repeated qubit in QASM": ({"qasm": STD + "qubit[2] q;\ncx q[0], q[0];\n"}, "INVALID_QASM"),
    "a foreign include": ({"qasm": 'OPENQASM 3.0;\ninclude "/etc/passwd";\nqubit q;\n'}, "INVALID_QASM"),
    "a foreign include in QASM 2": ({"qasm": 'OPENQASM 2.0;\ninclude "other.inc";\nqreg q[1];\n'}, "INVALID_QASM"),
    "an infinite angle": ({"qasm": STD + "qubit q;\nrx(1/0) q;\n"}, "INVALID_QASM"),
    "a huge register": ({"qasm": STD + "qubit[1000000000] q;\nh q[0];\n"}, "CIRCUIT_TOO_LARGE"),
    "nested definitions": ({"qasm": STD2 + "gate g0 a { x a; x a; }\n" + "".join(f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }}\n" for n in range(1, 40)) + "qreg q[1];\ng39 q[0];\n"}, "CIRCUIT_TOO_COMPLEX"),
}  # fmt: skip


def error_of(answer, status):
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert body["success"] is False
    assert body["data"] is None
    assert {"code", "message", "details"} == set(body["error"])
    assert body["error"]["message"]
    return body["error"]


def total(stack):
    return stack.client.get("/v1/circuits?limit=1").json()["meta"]["total"]


@pytest.mark.parametrize("case", BAD_CIRCUITS)
def test_a_bad_circuit_is_refused_and_leaves_nothing(stack, case):
    body, code = BAD_CIRCUITS[case]
    before = total(stack)
    error = error_of(stack.client.post("/v1/circuits", json={"name": "bad", **body}), 422)
    assert error["code"] == code, error
    assert total(stack) == before


def test_the_line_of_a_qasm_error_is_named(stack):
    for case in ("QASM 2 on line 4", "QASM 3 on line 4"):
        body, _ = BAD_CIRCUITS[case]
        error = error_of(stack.client.post("/v1/circuits", json={"name": "bad", **body}), 422)
        assert error["details"]["line"] == 4


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_angle_that_is_not_finite_is_refused(stack, literal):
    body = '{"name": "bad", "n_qubits": 1, "gates": [{"type": "RX", "targets": [0], "parameters": {"theta": %s}}]}'
    answer = stack.client.post("/v1/circuits", content=body % literal, headers={"Content-Type": "application/json"})
    assert error_of(answer, 422)["code"] in ("VALIDATION_ERROR", "MALFORMED_JSON")


def test_a_megabyte_of_nested_definitions_is_refused_within_seconds(stack):
    text = NESTED[:900_000]
    text = text[: text.rindex("\n") + 1]
    last = text.rstrip().rsplit("gate ", 1)[1].split()[0]
    body = json.dumps({"name": "bomb", "qasm": text + f"qreg q[1];\n{last} q[0];\n"})
    assert 900_000 < len(body) < 1_000_000
    began = time.monotonic()
    answer = stack.client.post("/v1/circuits", content=body, headers={"Content-Type": "application/json"})
    assert error_of(answer, 422)["code"] in ("CIRCUIT_TOO_LARGE", "CIRCUIT_TOO_COMPLEX")
    assert time.monotonic() - began < 15


def test_a_body_over_a_megabyte_is_refused(stack):
    answer = stack.client.post("/v1/circuits", json={"name": "x", "qasm": "/" * 1_000_001})
    assert error_of(answer, 413)["code"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"backend": "fake_nowhere"}, 404, "BACKEND_NOT_FOUND"),
        ({"shots": 0}, 422, "VALIDATION_ERROR"),
        ({"shots": 1_000_001}, 422, "VALIDATION_ERROR"),
        ({"seed": -1}, 422, "VALIDATION_ERROR"),
        ({"parameters": {"theta": 1.0}}, 422, "UNKNOWN_PARAMETERS"),
        ({"optimization_level": 4}, 422, "VALIDATION_ERROR"),
        ({"priority": "urgent"}, 422, "VALIDATION_ERROR"),
        ({"colour": "red"}, 422, "VALIDATION_ERROR"),
    ],
)
def test_a_run_that_cannot_be_is_refused(stack, body, status, code):
    circuit_id = stack.create(**ghz_json(2))
    before = stack.client.get("/v1/jobs?limit=1").json()["meta"]["total"]
    assert error_of(stack.client.post(f"/v1/circuits/{circuit_id}/run", json=body), status)["code"] == code
    assert stack.client.get("/v1/jobs?limit=1").json()["meta"]["total"] == before


def test_a_classical_condition_is_refused_where_the_backend_has_none(stack):
    conditional = STD + "qubit[2] q;\nbit c;\nh q[0];\nc = measure q[0];\nif (c) { x q[1]; }\n"
    circuit_id = stack.create(qasm=conditional)
    answer = stack.client.post(f"/v1/circuits/{circuit_id}/run", json={"backend": "fake_washington"})
    assert error_of(answer, 422)["code"] == "UNSUPPORTED_OPERATION"
    assert stack.result(stack.run(circuit_id, backend="aer", shots=20))["shots"] == 20


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/circuits/{}"),
        ("PATCH", "/v1/circuits/{}"),
        ("DELETE", "/v1/circuits/{}"),
        ("GET", "/v1/circuits/{}/qasm"),
        ("GET", "/v1/circuits/{}/diagram"),
        ("POST", "/v1/circuits/{}/run"),
        ("GET", "/v1/jobs/{}"),
        ("POST", "/v1/jobs/{}/cancel"),
        ("GET", "/v1/jobs/{}/logs"),
        ("GET", "/v1/jobs/{}/events"),
        ("GET", "/v1/jobs/{}/result"),
        ("GET", "/v1/backends/{}/status"),
    ],
)
@pytest.mark.parametrize("unknown", ["circuit_01HZZZZZZZZZZZZZZZZZZZZZZZ", "x", "%00", "a" * 2_000, "%F0%9F%90%88"])
def test_what_does_not_exist_is_a_404(stack, method, path, unknown):
    body = {"json": {}} if method in ("POST", "PATCH") else {}
    assert error_of(stack.client.request(method, path.format(unknown), **body), 404)["code"].endswith("_NOT_FOUND")


def test_a_deleted_circuit_is_gone_everywhere(stack):
    circuit_id = stack.create(**ghz_json(2))
    assert stack.client.delete(f"/v1/circuits/{circuit_id}").status_code == 204
    for path in ("", "/qasm", "/diagram"):
        error_of(stack.client.get(f"/v1/circuits/{circuit_id}{path}"), 404)
    error_of(stack.client.post(f"/v1/circuits/{circuit_id}/run", json={}), 404)


def test_qasm_2_cannot_say_everything_and_says_so(stack):
    gates = [{"type": "RX", "targets": [0], "parameters": {"theta": "a"}}]
    circuit_id = stack.create(n_qubits=1, gates=gates)
    answer = stack.client.get(f"/v1/circuits/{circuit_id}/qasm?version=2")
    assert error_of(answer, 422)["code"] == "NOT_EXPRESSIBLE"
