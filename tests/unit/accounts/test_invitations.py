import threading
from datetime import timedelta

import pytest

from ketbase.accounts.requests import AcceptInvitation, InviteUser, UpdateUser
from ketbase.accounts.roles import Role
from ketbase.errors import ConflictError, ForbiddenError, InvalidError, KetbaseError, NotFoundError
from tests.unit.accounts.conftest import EVERYTHING, PASSWORD, SOMEWHERE


@pytest.fixture
def owner(town):
    return town.found()


def invite(town, host, email="new@example.com", role=Role.DEVELOPER):
    town.clock.turn(1)
    return town.invitations.invite(host, InviteUser(email=email, role=role))


def accept(town, token, password=PASSWORD):
    return town.joining.accept(SOMEWHERE, AcceptInvitation(token=token, name="Nia", password=password))


def code_of(act, *arguments):
    with pytest.raises(KetbaseError) as problem:
        act(*arguments)
    return problem.value.code


def test_who_is_invited_joins_with_the_role_and_can_sign_in(town, owner):
    invitation = invite(town, owner)
    user = accept(town, town.token("new@example.com"))
    assert (user.email, user.role, user.organization_id) == (
        "new@example.com",
        Role.DEVELOPER,
        owner.organization_id,
    )
    kept = town.credentials.get(user.organization_id, user.id)
    assert town.passwords.verify(kept.password_hash, PASSWORD)
    assert kept.email_proved
    assert town.organizations.get(owner).members == 2
    assert {"user.invited", "user.joined"} <= town.audited(owner.organization_id)
    assert town.invitation_store.get(owner.organization_id, invitation.id) is None


def test_the_token_is_in_the_mail_and_nowhere_else(town, owner):
    invitation = invite(town, owner)
    token = town.token("new@example.com")
    assert len(token) >= 43
    assert token not in str(invitation)
    page = town.records.query(f"org#{owner.organization_id}#invitations")
    assert token not in str(page)
    assert token not in str(town.records.query(f"org#{owner.organization_id}#audit"))


def test_a_token_is_good_once_even_for_two_at_the_same_moment(town, owner):
    invite(town, owner)
    token = town.token("new@example.com")
    begin, joined, refused = threading.Barrier(4), [], []

    def join() -> None:
        begin.wait()
        try:
            joined.append(accept(town, token))
        except (ConflictError, NotFoundError) as problem:
            refused.append(problem.code)

    threads = [threading.Thread(target=join) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(joined), len(refused)) == (1, 3)
    assert town.store.members(owner.organization_id) == 2


def test_a_token_ends_after_seven_days(town, owner):
    invite(town, owner)
    town.clock.turn(timedelta(days=7, seconds=1).total_seconds())
    assert code_of(accept, town, town.token("new@example.com")) == "INVITATION_NOT_FOUND"
    assert town.invitations.list(owner, EVERYTHING).items == ()


def test_a_second_invitation_takes_the_place_of_the_first(town, owner):
    invite(town, owner, role=Role.ADMIN)
    first = town.token("new@example.com")
    second = invite(town, owner, "NEW@example.com", Role.VIEWER)
    assert [each.id for each in town.invitations.list(owner, EVERYTHING).items] == [second.id]
    assert code_of(accept, town, first) == "INVITATION_NOT_FOUND"
    assert accept(town, town.token("NEW@example.com")).role is Role.VIEWER


def test_an_address_that_many_invite_at_the_same_moment_has_one_invitation(town, owner):
    threads = [
        threading.Thread(target=town.invitations.invite, args=(owner, InviteUser(email="new@example.com")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert town.invitations.list(owner, EVERYTHING).total == 1


@pytest.mark.parametrize("other", ["strasse@example.com", "stra\u1e9ee@example.com"])
def test_an_address_is_nobody_elses_who_merely_looks_alike_to_unicode(town, owner, other):
    invite(town, owner, "straße@example.com")
    accept(town, town.token("straße@example.com"))
    assert town.store.user_by_email("STRAßE@Example.com") is not None
    assert town.store.user_by_email(other) is None


def test_an_organisation_and_an_address_get_few_invitations_a_day(town, owner):
    for number in range(3):
        invite(town, town.found(f"host{number}@example.com"), "much@example.com")
    assert code_of(invite, town, owner, "MUCH@example.com") == "RATE_LIMITED"
    for number in range(49):
        invite(town, owner, f"new{number}@example.com")
    assert code_of(invite, town, owner) == "RATE_LIMITED"
    town.clock.turn(86_400)
    invite(town, owner)
    invite(town, owner, "much@example.com")


def test_a_withdrawn_invitation_opens_nothing(town, owner):
    invitation = invite(town, owner)
    town.invitations.withdraw(owner, invitation.id)
    assert code_of(accept, town, town.token("new@example.com")) == "INVITATION_NOT_FOUND"
    assert code_of(town.invitations.withdraw, owner, invitation.id) == "INVITATION_NOT_FOUND"


def test_nobody_invites_to_a_role_above_their_own_or_takes_such_an_invitation_back(town, owner):
    admin = town.join(owner, "admin@example.com", Role.ADMIN)
    assert code_of(invite, town, admin, "x@example.com", Role.OWNER) == "ROLE_ABOVE_OWN"
    invitation = invite(town, owner, "x@example.com", Role.OWNER)
    with pytest.raises(ForbiddenError):
        town.invitations.withdraw(admin, invitation.id)


def test_an_invitation_dies_with_the_right_of_whoever_sent_it(town, owner):
    admin = town.join(owner, "admin@example.com", Role.ADMIN)
    invite(town, admin)
    token = town.token("new@example.com")
    town.users.update(owner, admin.user_id, UpdateUser(role=Role.DEVELOPER))
    assert code_of(accept, town, token) == "INVITATION_NOT_FOUND"
    town.users.update(owner, admin.user_id, UpdateUser(role=Role.ADMIN))
    town.users.remove(owner, admin.user_id)
    assert code_of(accept, town, token) == "INVITATION_NOT_FOUND"


def test_only_the_owner_of_an_address_learns_that_it_has_an_account_elsewhere(town, owner):
    town.found("known@example.com", "Elsewhere")
    invite(town, owner, "known@example.com")
    assert code_of(accept, town, town.token("known@example.com")) == "EMAIL_IN_USE"
    assert code_of(invite, town, owner, "olga@example.com") == "ALREADY_A_MEMBER"


def test_a_weak_password_does_not_use_the_token_up(town, owner):
    invite(town, owner)
    token = town.token("new@example.com")
    with pytest.raises(InvalidError):
        accept(town, token, "12345678")
    accept(town, token)


def test_another_organisations_invitations_are_not_there(town, owner):
    invitation = invite(town, owner)
    stranger = town.found("stranger@example.com")
    assert town.invitations.list(stranger, EVERYTHING).items == ()
    with pytest.raises(NotFoundError):
        town.invitations.withdraw(stranger, invitation.id)
    invite(town, stranger)
    assert town.invitations.list(owner, EVERYTHING).total == 1


def test_a_new_owner_counts_as_one(town, owner):
    town.join(owner, "second@example.com", Role.OWNER)
    town.users.remove(owner, owner.user_id)


def test_nobody_joins_an_organisation_that_is_being_erased(town, owner):
    invite(town, owner)
    town.organizations.delete(owner, "Acme")
    assert code_of(accept, town, town.token("new@example.com")) == "INVITATION_NOT_FOUND"
