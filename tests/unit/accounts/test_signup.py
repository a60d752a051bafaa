import pytest
from pydantic import ValidationError

from ketbase.accounts.requests import SignUp
from ketbase.accounts.signup import TRIES
from ketbase.errors import ConflictError, ForbiddenError, InvalidError, RateLimitedError
from tests.unit.accounts.conftest import PASSWORD, SOMEWHERE


def body(**changes):
    fields = {"organization_name": "Acme", "name": "Olga", "email": "olga@example.com", "password": PASSWORD}
    return SignUp.model_validate({**fields, **changes})


def test_who_signs_up_owns_an_organisation_and_has_a_password(town):
    made = town.sign_ups.sign_up(SOMEWHERE, body())
    assert (made.user.role, made.organization.members) == ("owner", 1)
    kept = town.credentials.get(made.organization.id, made.user.id)
    assert town.passwords.verify(kept.password_hash, PASSWORD)
    assert town.audited(made.organization.id) == {"organization.created"}
    assert [to for to, _ in town.mails()] == ["olga@example.com"]


def test_a_closed_installation_takes_nobody(town):
    with pytest.raises(ForbiddenError, match="Nobody can sign up"):
        town.sign_up_desk(is_open=False).sign_up(SOMEWHERE, body())


def test_an_address_belongs_to_one_user_however_it_is_written(town):
    town.sign_up("Olga@Example.com")
    with pytest.raises(ConflictError) as refused:
        town.sign_up("olga@example.COM")
    assert refused.value.code == "EMAIL_IN_USE"
    assert town.store.user_by_email("OLGA@example.com").email == "Olga@Example.com"


def test_an_easy_password_is_refused_and_leaves_nothing_behind(town):
    with pytest.raises(InvalidError) as refused:
        town.sign_ups.sign_up(SOMEWHERE, body(password="12345678"))
    assert refused.value.code == "WEAK_PASSWORD"
    assert town.store.user_by_email("olga@example.com") is None


def test_one_place_cannot_try_address_after_address(town):
    for number in range(TRIES.capacity):
        town.sign_ups.sign_up(SOMEWHERE, body(email=f"{number}@example.com"))
    with pytest.raises(RateLimitedError):
        town.sign_ups.sign_up(SOMEWHERE, body(email="0@example.com"))


@pytest.mark.parametrize(
    "email", ["olga", "olga@", "@example.com", "olga@example", "a b@example.com", "a@b.c\nBcc: x@y.z"]
)
def test_what_is_no_address_is_refused(email):
    with pytest.raises(ValidationError):
        body(email=email)


def test_a_name_holds_no_line_break_that_would_end_a_mails_header():
    with pytest.raises(ValidationError):
        body(organization_name="Acme\r\nBcc: x@y.z")
