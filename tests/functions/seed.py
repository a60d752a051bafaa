"""Fills a data folder with what the events in `events/` ask for: `python -m tests.functions.seed`.

Run in a process of its own, with `KETBASE_DATA` naming the folder. The real services do it, with ids that count up:
org_…1, circuit_…1 and …2, state_…1, dataset_…1 (its file there), model_…1 to …3, and job_…1 to …6, each left where
one event needs it.
"""

import itertools
from collections import defaultdict
from contextlib import ExitStack
from unittest.mock import patch

from ketbase.accounts.types import Caller

API_KEY = "qsk_dev_000000000000000000000001"
NEEDED_STEPS = {1: 3, 2: None, 3: 0, 4: 1, 5: 2, 6: 0, 7: 1, 8: 1}
"""How many steps of its run each job has behind it; job 2 still waits, and jobs 7 and 8 are at a provider.

Job 9 is an optimisation that was started."""
EMAIL, PASSWORD = "owner@example.com", "correct horse battery"
RESET_TOKEN = "reset-token-of-the-seed"
OTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SESSION = "session.token"
"""The file, in the data folder, that holds the access token of the first owner's session."""
_COUNTED = (
    "ketbase.accounts.invitations",
    "ketbase.accounts.issuing",
    "ketbase.accounts.joining",
    "ketbase.accounts.founding",
    "ketbase.accounts.signup",
    "ketbase.auth.sessions",
    "ketbase.circuits.service",
    "ketbase.datasets.service",
    "ketbase.models.deployments",
    "ketbase.optimize.service",
    "ketbase.states.service",
    "ketbase.steps.intake",
)
INVITATION_TOKEN = "0" * 43


def main() -> None:
    from ketbase.accounts.types import Origin
    from ketbase.circuits.types import CreateCircuit, Gate
    from ketbase.optimize.types import OptimizeCircuit
    from ketbase.run.types import RunCircuit
    from ketbase.runtime import wiring
    from ketbase.states.types import CreateState

    numbers = defaultdict(lambda: itertools.count(1))
    with ExitStack() as patches:
        for module in _COUNTED:
            patches.enter_context(
                patch(f"{module}.new_id", lambda prefix: f"{prefix}_{next(numbers[prefix]):026d}")
            )
        wiring.founding().found(API_KEY)
        caller = wiring.keys().authenticate(API_KEY, Origin())
        invite_people(caller)
        bell = (Gate(type="H", targets=(0,)), Gate(type="CNOT", targets=(0, 1)))
        circuits = [
            wiring.circuits().create(caller, CreateCircuit(name=name, n_qubits=2, gates=bell))
            for name in ("Bell pair", "Another Bell pair")
        ]
        wiring.states().create(caller, circuits[0].id, CreateState(name="A Bell pair's"))
        upload_flowers(caller)
        train_models(caller)
        run = RunCircuit(backend="fake_fez", shots=4_096, seed=7)
        for number, steps in NEEDED_STEPS.items():
            submission = wiring.runs().submit(caller, circuits[0].id, run, None)
            assert submission.job_id == f"job_{number:026d}"
            job = wiring.job_store().get(caller.organization_id, submission.job_id)
            if steps is None:
                continue
            started = wiring.job_store().start(job, at_most_running=100, at_most_in_all=100)
            for step in (
                wiring.compute_steps().compile,
                wiring.compute_steps().execute,
                wiring.final_steps().collect,
            )[:steps]:
                step(started.reference)
        hand_over(caller)
        body = OptimizeCircuit(target_backend="fake_fez", optimization_level=1, effort=2.0)
        submission = wiring.optimizations().submit(caller, circuits[0].id, body, None)
        job = wiring.job_store().get(caller.organization_id, submission.job_id)
        wiring.job_store().start(job, at_most_running=100, at_most_in_all=100)
        train(caller)
        sign_in()


def train(caller: Caller) -> None:
    """Job 10 is a training that was started, job 11 is prepared, and job 12 is trained."""
    from ketbase.runtime import wiring
    from ketbase.training.types import SubmitTraining

    data = {"type": "moons", "n_samples": 40}
    body = SubmitTraining.model_validate(
        {"template": {"n_qubits": 2, "layers": 1}, "config": {"dataset": data, "epochs": 2}}
    )
    for number, steps in ((10, 0), (11, 1), (12, 2)):
        submission = wiring.trainings().submit(caller, body, None)
        assert submission.job_id == f"job_{number:026d}"
        job = wiring.job_store().get(caller.organization_id, submission.job_id)
        started = wiring.job_store().start(job, at_most_running=100, at_most_in_all=100)
        if steps > 0:
            wiring.training_steps().prepare(started.reference)
        while steps > 1 and wiring.training_steps().train(started.reference, 0):
            pass


def hand_over(caller: Caller) -> None:
    """Let job 7 be at a provider, job 8 be fetched from there, and a calibration be known."""
    from ketbase.backends.remote import RemoteStatus
    from ketbase.jobs.types import Progress, Remote
    from ketbase.runtime import wiring

    fez = wiring.backends().info("fake_fez")
    properties = wiring.provider().properties(fez)
    wiring.calibrations().keep(fez, properties)
    store = wiring.job_store()
    for number, status in ((7, RemoteStatus.QUEUED), (8, RemoteStatus.COMPLETED)):
        job = store.get(caller.organization_id, f"job_{number:026d}")
        remote = Remote(engine="ibm", handed_over_at=wiring.clock().now())
        job = store.hand_over(job, remote)
        job = store.observe(job, remote.model_copy(update={"id": f"remote-{number}", "status": status}))
        if status.final:
            store.report(job, "run.fetched", "fetched", Progress(percentage=90, step="executed"))


def train_models(caller: Caller) -> None:
    """Model 1 is in service, model 2 waits, and model 3 answers beside model 1."""
    from ketbase.models.types import DeployModel
    from ketbase.runtime import wiring
    from tests.trained import made, trained

    ids = [f"model_{number:026d}" for number in (1, 2, 3)]
    for number, model_id in enumerate(ids):
        handed = trained("Flowers", made(n_raw=2, seed=number), model_id=model_id, user_id=caller.user_id)
        wiring.registry().add(caller.organization_id, handed)
    wiring.deployments().deploy(caller, ids[0], DeployModel())
    wiring.deployments().deploy(caller, ids[2], DeployModel(shadow_of=ids[0]))


def upload_flowers(caller: Caller) -> None:
    """Make data set 1, whose file arrived and was not looked at yet."""
    from ketbase.datasets import layout
    from ketbase.datasets.types import CreateDataset
    from ketbase.runtime import wiring

    made = wiring.datasets().create(caller, CreateDataset(name="Flowers", format="csv")).dataset
    key = layout.blob(caller.organization_id, made.id)
    wiring.blobs().put(key, b"length,flower\n1.5,rose\n2.5,lily\n", content_type="text/csv")


def sign_in() -> None:
    """Let the first owner sign in, forget their password, and begin to enrol a device."""
    from ketbase.accounts.types import Origin
    from ketbase.auth import password_changes
    from ketbase.auth.types import ForgotPassword
    from ketbase.runtime import wiring
    from ketbase.runtime.settings import settings

    wiring.first_owner().sign_in_with(EMAIL, PASSWORD)
    granted = wiring.grants().by_password(EMAIL, PASSWORD, Origin())
    (settings().data / SESSION).write_text(granted.access_token)
    with patch.object(password_changes.secrets, "token_urlsafe", lambda _: RESET_TOKEN):
        wiring.password_changes().forget(ForgotPassword(email=EMAIL), Origin())
    owner = wiring.account_store().user_by_email(EMAIL)
    known = wiring.credentials().get(owner.organization_id, owner.id)
    wiring.records().write(wiring.credentials().change(known, totp_offered=wiring.vault().seal(OTP_SECRET)))


def invite_people(owner: Caller) -> None:
    """Make user 2, invitation 2 with its known token, key 2, and organisation 2, which is being erased."""
    from ketbase.accounts.requests import AcceptInvitation, CreateKey, InviteUser, SignUp
    from ketbase.accounts.types import Origin
    from ketbase.runtime import wiring

    for email, token in (("dev@example.com", "1" * 43), ("new@example.com", INVITATION_TOKEN)):
        with patch("secrets.token_urlsafe", lambda _size, token=token: token):
            wiring.invitations().invite(owner, InviteUser(email=email))
    wiring.joining().accept(Origin(), AcceptInvitation(token="1" * 43, name="Dana", password=PASSWORD))
    wiring.key_issuer().create(owner, CreateKey(name="CI", scopes=("jobs:read",)))
    other = wiring.sign_ups().sign_up(
        Origin(), SignUp(organization_name="Gone", name="Olga", email="olga@example.com", password=PASSWORD)
    )
    wiring.organizations().delete(
        owner.model_copy(update={"organization_id": other.organization.id, "user_id": other.user.id}), "Gone"
    )


if __name__ == "__main__":
    main()
