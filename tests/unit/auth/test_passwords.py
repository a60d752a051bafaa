import pytest
from argon2 import Parameters
from argon2.low_level import Type

from ketbase.auth.passwords import Passwords, check_strength
from ketbase.errors import InvalidError

GOOD = "correct horse battery"


def test_a_password_is_verified_by_its_hash_alone(passwords):
    kept = passwords.hash(GOOD)
    assert GOOD not in kept
    assert passwords.hash(GOOD) != kept
    assert passwords.verify(kept, GOOD)
    assert not passwords.verify(kept, GOOD + " ")


@pytest.mark.parametrize("kept", [None, "", "not a hash", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"])
def test_without_a_good_hash_no_password_is_right(passwords, kept):
    assert not passwords.verify(kept, GOOD)
    assert not passwords.verify(kept, "")


def test_nobodys_hash_costs_what_a_real_one_costs(passwords):
    spent = []
    hasher = passwords._hasher
    verify = hasher.verify

    class Watched:
        def verify(self, kept, password):
            spent.append(kept.split("$")[3])
            return verify(kept, password)

    passwords._hasher = Watched()
    try:
        passwords.verify(None, GOOD)
    finally:
        passwords._hasher = hasher
    assert spent == [passwords.hash(GOOD).split("$")[3]]


def test_a_hash_made_with_other_parameters_is_outdated_and_still_verified(passwords):
    dearer = Passwords(Parameters(Type.ID, 19, 16, 32, time_cost=2, memory_cost=16, parallelism=1))
    kept = passwords.hash(GOOD)
    assert dearer.verify(kept, GOOD)
    assert dearer.outdated(kept)
    assert not passwords.outdated(kept)


@pytest.mark.parametrize("weak", ["", "short", "x" * 129, "ada@example.com", " ADA@example.com", "aaaaaaaaaaaa"])
def test_a_weak_password_is_refused(weak):
    with pytest.raises(InvalidError) as refused:
        check_strength(weak, "Ada@Example.com")
    assert refused.value.code == "WEAK_PASSWORD"


@pytest.mark.parametrize("strong", [GOOD, "zwölf Zeichen", "x1y2" * 32])
def test_length_is_what_makes_a_password_strong(strong):
    check_strength(strong, "ada@example.com")
