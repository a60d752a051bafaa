import pyotp
import pytest
from pydantic import ValidationError

from ketbase.auth.buckets import EmptyBucketError
from ketbase.auth.types import ConfirmFactor, DisableFactor
from ketbase.errors import ConflictError, InvalidError
from tests.unit.auth.conftest import PASSWORD


def test_a_secret_that_is_not_confirmed_changes_nothing(house):
    house.mfa.enrol(house.caller())
    house.sign_in()


def test_an_enrolment_has_all_that_an_app_needs(house):
    offered = house.mfa.enrol(house.caller())
    assert offered.uri.startswith("otpauth://totp/Ketbase:ada%40example.com?")
    assert pyotp.parse_uri(offered.uri).secret == offered.secret
    assert offered.qr_svg.startswith("<svg")


def test_a_wrong_code_confirms_nothing_and_few_may_be_tried(house):
    caller = house.caller()
    house.mfa.enrol(caller)
    for _ in range(10):
        with pytest.raises(InvalidError):
            house.mfa.confirm(caller, ConfirmFactor(code="000000"))
    with pytest.raises(EmptyBucketError):
        house.mfa.confirm(caller, ConfirmFactor(code="000000"))
    house.sign_in()


def test_there_is_nothing_to_confirm_before_the_offer_and_after_it(house):
    caller = house.caller()
    with pytest.raises(ConflictError):
        house.mfa.confirm(caller, ConfirmFactor(code="000000"))
    device, _ = house.enrol()
    with pytest.raises(ConflictError):
        house.mfa.confirm(caller, ConfirmFactor(code=house.code(device, 1)))
    with pytest.raises(ConflictError):
        house.mfa.enrol(caller)


@pytest.mark.parametrize("proof", ["code", "recovery_code"])
def test_the_factor_is_turned_off_by_whoever_proves_themselves(house, proof):
    caller = house.caller()
    device, codes = house.enrol()
    house.clock.turn(60)
    good = {"code": house.code(device), "recovery_code": codes[0]}[proof]
    for bad in ({}, {proof: "000000"}):
        with pytest.raises(InvalidError):
            house.mfa.disable(caller, DisableFactor(**bad))
    house.mfa.disable(caller, DisableFactor(**{proof: good}))
    house.sign_in()
    assert house.told()[-3:] == ["mfa.enabled", "mfa.disabled", "session.created"]
    with pytest.raises(ConflictError):
        house.mfa.disable(caller, DisableFactor(**{proof: good}))


def test_a_password_turns_no_factor_off(house):
    with pytest.raises(ValidationError):
        DisableFactor(password=PASSWORD)
