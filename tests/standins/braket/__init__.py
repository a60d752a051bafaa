"""Amazon Braket's API on this machine: run `python -m tests.standins.braket --port 9000 --s3 http://127.0.0.1:5000`.

It speaks REST-JSON as botocore's model of the service has it, and keeps regions apart by the signature's scope; no
signature is checked. Programs are read by a reader of its own, held against the device's description, and simulated
by a simulator written from Braket's definitions of its gates; neither knows anything of Qiskit.

`POST /control` takes what shall go wrong, and `GET /control` says what was asked; see `server.Control`.
"""
