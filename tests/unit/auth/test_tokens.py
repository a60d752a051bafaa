import base64
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from ketbase.accounts.roles import Role
from ketbase.accounts.types import Origin, User
from ketbase.auth.sessions import Sessions
from ketbase.auth.signing_keys import SigningKeys
from ketbase.auth.tokens import AccessTokens
from ketbase.errors import UnauthenticatedError
from ketbase.vault import SealedError, Vault
from tests.unit.auth.conftest import Meanwhile

ISSUER = "https://api.example.com"
SECRET = "a secret of the installation"


@pytest.fixture
def vault():
    return Vault([SECRET])


@pytest.fixture
def keys(records, vault, clock):
    return SigningKeys(records, lambda: vault, clock)


@pytest.fixture
def tokens(keys, clock):
    return AccessTokens(keys, clock, issuer=ISSUER, leeway_s=30)


@pytest.fixture
def user(clock):
    return User(
        id="user_a",
        organization_id="org_a",
        email="ada@example.com",
        name="Ada",
        role=Role.DEVELOPER,
        created_at=clock.now(),
        updated_at=clock.now(),
    )


@pytest.fixture
def session(records, clock):
    return (
        Sessions(records, clock, idle=timedelta(days=1), longest=timedelta(days=30))
        .open("org_a", "user_a", Origin())
        .session
    )


@pytest.fixture
def token(tokens, user, session):
    return tokens.issue(user, session)[0]


def test_a_token_says_who_its_user_is_for_an_hour(tokens, user, session, clock):
    token, lifetime = tokens.issue(user, session)
    claims = tokens.verify(token)
    assert lifetime == 3_600
    assert (claims.sub, claims.org_id, claims.email, claims.role) == (
        "user_a",
        "org_a",
        "ada@example.com",
        "developer",
    )
    assert (claims.sid, claims.iss, claims.exp - claims.iat) == (session.id, ISSUER, 3_600)
    assert "jobs:submit" in claims.scopes
    assert "users:*" not in claims.scopes


def test_no_token_outlives_its_session(tokens, user, session, clock):
    clock.turn(30 * 86_400 - 60)
    assert tokens.issue(user, session)[1] == 60


def test_a_token_is_over_after_an_hour_and_the_leeway(tokens, token, clock):
    clock.turn(3_600 + 29)
    tokens.verify(token)
    clock.turn(2)
    with pytest.raises(UnauthenticatedError) as refused:
        tokens.verify(token)
    assert refused.value.code == "TOKEN_EXPIRED"


def forged(keys, clock, *, header=None, key=None, algorithms=None, **claims):
    """A token signed with the installation's own key, but with other claims; or with another key or header."""
    kid, own = keys.signer()
    now = int(clock.now().timestamp())
    said = {
        "sub": "user_a", "org_id": "org_a", "email": None, "role": "owner", "scopes": ["*"], "sid": "session_a",
        "iat": now, "nbf": now, "exp": now + 3_600, "iss": ISSUER, "aud": "ketbase", "jti": "token_a", **claims,
    }  # fmt: skip
    said = {name: value for name, value in said.items() if value is not ...}
    head = {"alg": "ES256", "kid": kid} if header is None else header
    return jwt.encode(head, said, key or own, algorithms=algorithms or ["ES256"])


def test_the_forger_of_these_tests_makes_good_tokens_where_it_changes_nothing(tokens, keys, clock):
    assert tokens.verify(forged(keys, clock)).sub == "user_a"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody-else"},
        {"aud": ...},
        {"iss": "https://elsewhere.example.com"},
        {"iss": ...},
        {"exp": ...},
        {"nbf": ...},
        {"nbf": 1_767_225_600 + 60},
        {"sub": ...},
        {"sid": ...},
        {"exp": "soon"},
        {"scopes": "all"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_token_with_other_claims_is_refused(tokens, keys, clock, claims):
    with pytest.raises(UnauthenticatedError) as refused:
        tokens.verify(forged(keys, clock, **claims))
    assert refused.value.code == "INVALID_TOKEN"


def test_a_token_with_an_algorithm_of_its_own_choice_is_refused(tokens, keys, clock, token):
    kid, own = keys.signer()
    head, body, _ = token.split(".")
    none = encoded({"alg": "none", "kid": kid}) + f".{body}."
    public = own.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    swapped = []
    for secret in (public, json.dumps(own.as_dict(private=False)).encode()):
        signed = f"{encoded({'alg': 'HS256', 'kid': kid})}.{body}"
        mac = hmac.digest(secret, signed.encode(), "sha256")
        swapped.append(f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")
    other = forged(
        keys, clock, header={"alg": "RS256", "kid": kid}, key=RSAKey.generate_key(2_048), algorithms=["RS256"]
    )
    for bad in (none, none.upper(), f"{head}.{body}.", *swapped, other):
        with pytest.raises(UnauthenticatedError) as refused:
            tokens.verify(bad)
        assert refused.value.code == "INVALID_TOKEN"


@pytest.mark.parametrize("kid", ["signing_unknown", "", None, 7, {"a": 1}, ...], ids=str)
def test_a_token_of_a_key_that_is_not_ours_is_refused(tokens, keys, clock, kid):
    header = {"alg": "ES256"} if kid is ... else {"alg": "ES256", "kid": kid}
    bad = encoded(header) + "." + forged(keys, clock).split(".", 1)[1]
    with pytest.raises(UnauthenticatedError) as refused:
        tokens.verify(bad)
    assert refused.value.code == "INVALID_TOKEN"


def test_a_token_that_brings_its_own_key_is_refused(tokens, keys, clock):
    kid, _ = keys.signer()
    own = ECKey.generate_key("P-256")
    for header in ({"kid": kid}, {"kid": kid, "jwk": own.as_dict(private=False)}):
        bad = forged(keys, clock, header={"alg": "ES256", **header}, key=own)
        with pytest.raises(UnauthenticatedError):
            tokens.verify(bad)


@pytest.mark.parametrize(
    "nonsense",
    ["", "x", "..", "a.b.c", "é.é.é", "ey.ey.ey", "a" * 10_000, "\0.\0.\0", "e30.e30.e30", "W10.W10.W10"],
)
def test_nonsense_is_refused(tokens, nonsense):
    with pytest.raises(UnauthenticatedError) as refused:
        tokens.verify(nonsense)
    assert refused.value.code == "INVALID_TOKEN"


def test_every_changed_character_spoils_a_token(tokens, token):
    for position in range(0, len(token) - 2, 17):
        other = "A" if token[position] != "A" else "B"
        with pytest.raises(UnauthenticatedError):
            tokens.verify(token[:position] + other + token[position + 1 :])


def test_tokens_of_before_a_rotation_are_good_until_they_are_over_and_then_their_key_goes(
    tokens, keys, token, user, session, clock
):
    before = keys.signer()[0]
    after = keys.rotate()
    assert keys.signer()[0] == after != before
    tokens.verify(token)
    tokens.verify(tokens.issue(user, session)[0])
    assert [key["kid"] for key in keys.published()] == [after, before]
    clock.turn(2 * 3_600)
    keys.rotate()
    assert before not in [key["kid"] for key in keys.published()]


def test_another_process_takes_a_new_key_at_once_and_signs_with_it_soon(
    records, vault, keys, tokens, user, session, clock
):
    ring = SigningKeys(records, lambda: vault, clock)
    other = AccessTokens(ring, clock, issuer=ISSUER, leeway_s=30)
    other.issue(user, session)
    made = keys.rotate()
    other.verify(tokens.issue(user, session)[0])
    clock.turn(301)
    assert ring.signer()[0] == made


def test_who_verifies_needs_no_secret(records, tokens, token, clock):
    def closed():
        raise AssertionError("the secret was asked for")

    AccessTokens(SigningKeys(records, closed, clock), clock, issuer=ISSUER, leeway_s=30).verify(token)


def test_of_two_who_rotate_at_once_one_does(records, vault, keys, clock):
    keys.signer()
    rotators = [SigningKeys(records, lambda: vault, clock) for _ in range(8)]
    clock.turn(40 * 86_400)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda each: each.rotate(older_than=timedelta(days=29)), rotators))
    assert len([each for each in made if each]) == 1
    assert len(keys.published()) == 2


def test_a_rotation_that_came_too_late_changes_nothing(records, vault, keys, clock):
    keys.signer()
    won = []
    late = SigningKeys(Meanwhile(records, lambda: won.append(keys.rotate())), lambda: vault, clock)
    assert late.rotate() is None
    assert next(key["kid"] for key in keys.published()) == won[0] == late.signer()[0]


def test_of_two_who_make_the_first_key_one_does(records, vault, keys, clock):
    late = SigningKeys(Meanwhile(records, keys.signer), lambda: vault, clock)
    assert late.signer()[0] == keys.signer()[0]


def test_a_young_key_is_not_rotated_by_the_schedule(keys, clock):
    keys.signer()
    clock.turn(28 * 86_400)
    assert keys.rotate(older_than=timedelta(days=29)) is None
    clock.turn(86_400)
    assert keys.rotate(older_than=timedelta(days=29)) is not None


def test_private_keys_are_kept_sealed_and_never_published(records, keys, vault):
    keys.signer()
    kept = str(records.query("installation").items)
    private = json.loads(vault.open(records.query("installation").items[0].values["keys"][0]["sealed"]))
    assert private["d"] not in kept
    assert all("d" not in key for key in keys.published())
    assert {"kty", "crv", "x", "y", "kid", "use", "alg"} <= set(keys.published()[0])


def test_a_vault_opens_what_an_earlier_secret_sealed_and_no_other():
    old, new = Vault(["the first secret of all"]), Vault(["a later secret of them", "the first secret of all"])
    assert new.open(old.seal("text")) == "text"
    with pytest.raises(SealedError):
        old.open(new.seal("text"))
    with pytest.raises(SealedError):
        new.open("text")


@pytest.mark.parametrize("secrets", [[], [""], ["short"], ["a good secret of some length", ""]])
def test_a_vault_refuses_to_work_without_a_secret(secrets):
    with pytest.raises(ValueError, match="KETBASE_SECRET"):
        Vault(secrets)


def encoded(part):
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
