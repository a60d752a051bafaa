"""The deployed template signs people in, keeps their organisations, and watches what they spend."""

import itertools
import re
import time
from decimal import Decimal

import pyotp
import pytest

from tests.e2e.circuits import entangled, ghz_json
from tests.e2e.cloud import ok
from tests.identity_provider import running_provider
from tests.receivers import receiver

PASSWORD = "correct horse battery staple"
TOKEN = re.compile(r"^[\w-]{43}$", re.MULTILINE)
_numbers = itertools.count()


def mailed_token(cloud, email):
    """Have the waiting mails sent, and read the token in the last one to an address."""
    delivered = cloud.invoke("OpsDeliverFunction")
    assert not delivered.get("errorMessage"), delivered
    assert cloud.mails(email), (delivered, cloud.logs()[-3_000:])
    return TOKEN.findall(cloud.mails(email)[-1])[-1]


class Person:
    """Somebody who signed up in the cloud, with a session."""

    def __init__(self, cloud, email, password=PASSWORD):
        self.cloud, self.email, self.password = cloud, email, password
        self.sign_in()

    def sign_in(self, **more):
        body = {"grant_type": "password", "email": self.email, "password": self.password, **more}
        self.tokens = self.cloud.client.post("/v1/auth/token", json=body).json()
        assert "access_token" in self.tokens, self.tokens
        self.client = self.cloud.as_(Authorization=f"Bearer {self.tokens['access_token']}")


def sign_up(cloud):
    number = next(_numbers)
    email = f"owner{number}@example.org"
    body = {"organization_name": f"Acme {number}", "name": "Olga", "email": email, "password": PASSWORD}
    ok(cloud.client.post("/v1/organizations", json=body), 201)
    return Person(cloud, email)


def wait(owner, job_id, until=("completed", "failed", "cancelled")):
    deadline = time.monotonic() + 60
    while (job := ok(owner.client.get(f"/v1/jobs/{job_id}")))["status"] not in until:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


@pytest.fixture(scope="module")
def olga(deployed):
    """One owner for all tests: an address may not sign up often."""
    deployed.give("AuthTokenFunction", KETBASE_SIGN_IN_TRIES="1000")
    return sign_up(deployed)


@pytest.fixture
def owner(olga):
    olga.sign_in()
    return olga


def test_a_session_is_carried_on_listed_and_ended(cloud, owner):
    assert cloud.client.get("/.well-known/jwks.json").json()["keys"]
    assert ok(owner.client.get("/v1/auth/sessions"))
    carried = {"grant_type": "refresh_token", "refresh_token": owner.tokens["refresh_token"]}
    again = cloud.client.post("/v1/auth/token", data=carried)
    assert again.status_code == 200, again.text
    assert cloud.client.post("/v1/auth/token", data=carried).json()["error"] == "invalid_grant"
    assert owner.client.get("/v1/users/me").status_code == 401
    owner.sign_in()
    for session in ok(owner.client.get("/v1/auth/sessions")):
        ok(owner.client.delete(f"/v1/auth/sessions/{session['id']}"), 204)
    assert owner.client.get("/v1/users/me").status_code == 401
    owner.sign_in()
    given_back = cloud.client.post("/v1/auth/revoke", json={"token": owner.tokens["refresh_token"]})
    assert given_back.status_code == 200
    assert owner.client.get("/v1/users/me").status_code == 401


def test_a_second_factor_is_asked_for_until_it_is_turned_off(cloud, owner):
    secret = ok(owner.client.post("/v1/auth/mfa"), 201)["secret"]
    code = pyotp.TOTP(secret).now()
    recovery = ok(owner.client.post("/v1/auth/mfa/confirm", json={"code": code}))["recovery_codes"]
    refused = cloud.client.post(
        "/v1/auth/token", json={"grant_type": "password", "email": owner.email, "password": owner.password}
    )
    assert (refused.status_code, refused.json()["error"]) == (403, "mfa_required")
    owner.sign_in(recovery_code=recovery[0])
    gone = owner.client.request("DELETE", "/v1/auth/mfa", json={"recovery_code": recovery[1]})
    assert gone.status_code in (200, 204), gone.text
    owner.sign_in()


def test_a_password_is_changed_and_recovered_by_mail(cloud, owner):
    changed = {"old_password": owner.password, "new_password": "another horse battery staple"}
    assert owner.client.post("/v1/auth/password", json=changed).status_code in (200, 204)
    owner.password = changed["new_password"]
    cloud.client.post("/v1/auth/password/forgot", json={"email": owner.email})
    reset = {"token": mailed_token(cloud, owner.email), "new_password": "a third horse battery staple"}
    assert cloud.client.post("/v1/auth/password/reset", json=reset).status_code in (200, 204)
    owner.password = reset["new_password"]
    owner.sign_in()


def test_signing_in_elsewhere_is_refused_where_it_is_not_set_up(cloud):
    for path in ("/v1/auth/oidc/start", "/v1/auth/oidc/callback?state=x&code=y"):
        assert 400 <= cloud.client.get(path, follow_redirects=False).status_code < 500


def test_signing_in_elsewhere_goes_to_the_provider_and_takes_in_only_who_left_from_here(cloud):
    back = "https://api.example.com"
    with running_provider(f"{back}/v1/auth/oidc/callback") as issuer:
        for function in ("AuthStartOidcFunction", "AuthFinishOidcFunction"):
            cloud.give(
                function, KETBASE_OIDC_ISSUER=issuer, KETBASE_OIDC_CLIENT_ID="ketbase", KETBASE_PUBLIC_URL=back
            )
        started = cloud.client.get("/v1/auth/oidc/start", follow_redirects=False)
        assert started.status_code == 302, started.text
        assert started.headers["location"].startswith(issuer)
        stranger = cloud.client.get("/v1/auth/oidc/callback?state=somebody&code=elses", follow_redirects=False)
        assert stranger.json()["error"]["code"] == "INVALID_STATE"


def test_a_young_signing_key_stays(cloud, owner):
    before = cloud.client.get("/.well-known/jwks.json").json()["keys"]
    assert cloud.invoke("AuthRotateFunction") == {"key_id": None}
    assert cloud.client.get("/.well-known/jwks.json").json()["keys"] == before
    ok(owner.client.get("/v1/users/me"))


def test_people_are_invited_join_change_and_go(cloud, owner):
    ok(owner.client.post("/v1/users", json={"email": "not@example.org", "role": "viewer"}), 201)
    (invitation,) = ok(owner.client.get("/v1/invitations"))
    ok(owner.client.delete(f"/v1/invitations/{invitation['id']}"), 204)
    email = f"guest{next(_numbers)}@example.org"
    ok(owner.client.post("/v1/users", json={"email": email, "role": "developer"}), 201)
    token = mailed_token(cloud, email)
    joined = cloud.client.post("/v1/invitations/accept", json={"token": token, "name": "Gus", "password": PASSWORD})
    ok(joined, 201)
    guest = Person(cloud, email)
    me = ok(guest.client.get("/v1/users/me"))
    ok(guest.client.patch("/v1/users/me", json={"preferences": {"default_backend": "aer"}}))
    assert [user["id"] for user in ok(owner.client.get("/v1/users?role=developer"))] == [me["id"]]
    changed = {"role": "viewer", "monthly_limit": "1.00"}
    assert ok(owner.client.patch(f"/v1/users/{me['id']}", json=changed))["role"] == "viewer"
    assert ok(owner.client.get(f"/v1/users/{me['id']}"))["monthly_limit"] == "1.00"
    ok(owner.client.delete(f"/v1/users/{me['id']}"), 204)
    assert guest.client.get("/v1/users/me").status_code == 401


def test_a_key_is_made_listed_and_revoked(cloud, owner):
    body = {"name": "CI", "scopes": ["circuits:*"], "monthly_limit": "2.00"}
    made = ok(owner.client.post("/v1/api-keys", json=body), 201)
    ok(cloud.as_(**{"X-API-Key": made["key"]}).get("/v1/circuits"))
    assert [key["id"] for key in ok(owner.client.get("/v1/api-keys"))] == [made["id"]]
    ok(owner.client.delete(f"/v1/api-keys/{made['id']}"), 204)
    assert cloud.as_(**{"X-API-Key": made["key"]}).get("/v1/circuits").status_code == 401


def test_what_is_spent_is_reported_alerted_and_stated(cloud, owner):
    circuit = ok(owner.client.post("/v1/circuits", json={"name": "GHZ", **ghz_json(3)}), 201)["id"]
    estimate = {"circuit_id": circuit, "backends": ["aer", "fake_fez"], "shots": 100}
    ok(owner.client.post("/v1/estimate", json=estimate))
    ok(owner.client.get("/v1/costs/prices"))
    alerts = [{"threshold": 1, "action": "email", "recipients": [owner.email]}]
    ok(owner.client.put("/v1/budget", json={"monthly_limit": "0.02", "alerts": alerts}))
    submitted = ok(owner.client.post(f"/v1/circuits/{circuit}/run", json={"shots": 100}), 202)
    assert Decimal(submitted["estimated_cost"]) < Decimal(submitted["reserved_cost"])
    job = wait(owner, submitted["job_id"])
    assert 0 < Decimal(job["actual_cost"]) <= Decimal(submitted["reserved_cost"])
    budget = ok(owner.client.get("/v1/budget"))
    assert (budget["current_spend"], budget["reserved"]) == (job["actual_cost"], "0.00")
    for group in ("day", "job"):
        usage = ok(owner.client.get(f"/v1/usage?group_by={group}"))
        assert usage["total_cost"] == job["actual_cost"]
    assert ok(owner.client.get("/v1/statements/current"))
    assert submitted["job_id"] in owner.client.get("/v1/statements/current?format=csv").text
    assert owner.client.get("/v1/statements/current?format=pdf").content.startswith(b"%PDF")
    assert "errorMessage" not in cloud.invoke("CostsAlertFunction")
    found = cloud.invoke("OpsReconcileFunction")
    assert "errorMessage" not in found, found


def test_a_webhook_is_kept_sealed_and_called_when_a_threshold_is_reached(cloud, owner):
    with receiver() as slack:
        for function in ("OrganizationUpdateFunction", "CostsUpdateBudgetFunction", "OpsDeliverFunction"):
            cloud.give(function, KETBASE_WEBHOOK_HOSTS=slack.origin)
        ok(owner.client.patch("/v1/organization", json={"settings": {"slack_webhook": slack.url()}}))
        ok(
            owner.client.put(
                "/v1/budget", json={"monthly_limit": "50", "alerts": [{"threshold": 1, "action": "slack"}]}
            )
        )
        circuit = ok(owner.client.post("/v1/circuits", json={"name": "GHZ", **ghz_json(3)}), 201)["id"]
        job = ok(owner.client.post(f"/v1/circuits/{circuit}/run", json={"shots": 100}), 202)["job_id"]
        wait(owner, job)
        spent = Decimal(ok(owner.client.get("/v1/budget"))["current_spend"])
        alerts = [{"threshold": 1, "action": "slack", "webhook": slack.url()}]
        ok(owner.client.put("/v1/budget", json={"monthly_limit": str(spent), "alerts": alerts}))
        assert "errorMessage" not in cloud.invoke("CostsAlertFunction")
        assert "errorMessage" not in cloud.invoke("OpsDeliverFunction")
        assert any("budget" in text for text in slack.texts)


def test_an_organisation_is_changed_looked_through_and_deleted_with_all_it_owns(cloud):
    owner = sign_up(cloud)
    ok(owner.client.patch("/v1/organization", json={"settings": {"max_concurrent_jobs": 2}}))
    changed = ok(owner.client.get("/v1/organization"))
    assert changed["settings"]["max_concurrent_jobs"] == 2
    slow = ok(owner.client.post("/v1/circuits", json={"name": "slow", "qasm": entangled(24, 30)}), 201)["id"]
    job = ok(owner.client.post(f"/v1/circuits/{slow}/run", json={"shots": 100}), 202)["job_id"]
    cloud.invoke("OpsSealFunction")
    lines = ok(owner.client.get("/v1/audit?limit=100"))
    assert {"organization.created", "organization.updated", "circuit.created"} <= {line["action"] for line in lines}
    assert all(line["sequence"] for line in lines if line["action"] == "organization.created")
    wait(owner, job, until=("running",))
    answer = owner.client.request("DELETE", "/v1/organization", json={"confirmation": changed["name"]})
    ok(answer, 202)
    assert owner.client.get("/v1/users/me").status_code == 401
    erased = cloud.invoke("OrganizationEraseFunction")
    assert "errorMessage" not in erased, erased
    purged = cloud.invoke("OpsPurgeFunction")
    assert "errorMessage" not in purged, purged
