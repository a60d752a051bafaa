"""In the deployed stack a model is trained: on an upload, by a stored circuit, through Step Functions."""

from ketbase.datasets import layout
from tests.e2e.cloud import ok

LINES = ["width,height,kind", *(f"{n % 7},{n % 5},{'wide' if n % 7 > n % 5 else 'high'}" for n in range(60))]


def test_a_model_is_trained_on_an_upload_and_registered(cloud):
    owner = ok(cloud.client.get("/v1/organization"))["id"]
    made = ok(cloud.client.post("/v1/datasets", json={"name": "Shapes", "format": "csv"}), 201)["dataset"]["id"]
    cloud.aws("s3").put_object(
        Bucket=cloud.names["DataBucket"], Key=layout.blob(owner, made), Body="\n".join(LINES).encode()
    )
    gates = [
        *({"type": "RY", "targets": [n], "parameters": {"theta": f"x_{n}"}} for n in range(2)),
        {"type": "CNOT", "targets": [0, 1]},
        *({"type": "RY", "targets": [n], "parameters": {"theta": f"theta_{n}"}} for n in range(2)),
    ]
    config = {
        "dataset": {"type": "upload", "dataset_id": made},
        "epochs": 3,
        "sweep": {"parameters": {"learning_rate": [0.05, 0.1]}},
    }
    body = {"circuit_id": cloud.create(n_qubits=2, gates=gates), "name": "Shapes", "config": config}
    job_id = ok(cloud.client.post("/v1/jobs", json=body), 202)["job_id"]
    result = cloud.result(job_id)
    assert [trial["epochs"] for trial in result["trials"]] == [3, 3]
    assert ok(cloud.client.get(f"/v1/models/{result['model_id']}"))["training_job_id"] == job_id
    failure = {"organization_id": owner, "job_id": job_id, "error": {"Error": "States.Timeout", "Cause": ""}}
    cloud.invoke("TrainingFailFunction", **failure)
    assert ok(cloud.client.get(f"/v1/jobs/{job_id}"))["status"] == "completed"  # what is over stays so


def test_what_is_wrong_in_an_upload_fails_the_job_by_its_row(cloud):
    owner = ok(cloud.client.get("/v1/organization"))["id"]
    made = ok(cloud.client.post("/v1/datasets", json={"name": "Broken", "format": "csv"}), 201)["dataset"]["id"]
    broken = "\n".join([*LINES[:20], "nothing,1,wide"])
    cloud.aws("s3").put_object(Bucket=cloud.names["DataBucket"], Key=layout.blob(owner, made), Body=broken.encode())
    config = {"dataset": {"type": "upload", "dataset_id": made}, "epochs": 1}
    body = {"template": {"n_qubits": 2, "layers": 1}, "config": config}
    job = cloud.wait(ok(cloud.client.post("/v1/jobs", json=body), 202)["job_id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "INVALID_DATA")
    assert job["error"]["details"]["row"] == 20
