"""What is refused: to touch those above, to outgrow a key, to lose the last owner, to take another's address."""

from ketbase.accounts.roles import Role, expand, scopes_of
from ketbase.accounts.types import Caller, User
from ketbase.backends.catalog import backends
from ketbase.errors import ConflictError, ForbiddenError, InvalidError


def refuse_higher_role(caller: Caller, role: Role) -> None:
    """Let nobody grant a role above their own, and no key one with a scope that the key lacks.

    Raises:
        ForbiddenError: `ROLE_ABOVE_OWN`; `SCOPE_NOT_GRANTED`, with the scopes that the key lacks.
    """
    if role.rank > caller.role.rank:
        raise ForbiddenError(
            "ROLE_ABOVE_OWN",
            f"As {caller.role} you can grant roles up to {caller.role}, not {role}.",
            field="role",
            own_role=caller.role,
        )
    lacking = _lacking(caller, role)
    if lacking:
        raise ForbiddenError(
            "SCOPE_NOT_GRANTED",
            f"This key cannot make somebody {role}, who may do what it may not: {', '.join(lacking)}.",
            field="role",
            scopes=lacking,
        )


def refuse_superior(caller: Caller, user: User) -> None:
    """Let nobody change somebody above them, and no key somebody who may do what the key may not.

    Raises:
        ForbiddenError: `USER_ABOVE_CALLER`.
    """
    if user.role.rank > caller.role.rank:
        raise ForbiddenError(
            "USER_ABOVE_CALLER",
            f"Only an {user.role} or somebody above can do this to an {user.role}; you are {caller.role}.",
            user_id=user.id,
            own_role=caller.role,
        )
    lacking = _lacking(caller, user.role)
    if lacking:
        raise ForbiddenError(
            "USER_ABOVE_CALLER",
            f"This key cannot do this to an {user.role}, who may do what it may not: {', '.join(lacking)}.",
            user_id=user.id,
            scopes=lacking,
        )


def refuse_limited_key(caller: Caller) -> None:
    """Let no key give away what would outlive or outspend it.

    Raises:
        ForbiddenError: `KEY_IS_LIMITED`.
    """
    if caller.limited:
        raise ForbiddenError(
            "KEY_IS_LIMITED",
            "A key that expires or has a monthly limit makes no other keys, invites nobody and changes no roles; "
            "sign in, or use one without.",
        )


def _lacking(caller: Caller, role: Role) -> list[str]:
    """Name what a role may do and a key may not; somebody signed in has all of their role."""
    if caller.credential != "key":
        return []
    meant = {scope for each in scopes_of(role) for scope in expand(each)}
    return sorted(scope for scope in meant if not caller.may(scope))


def refuse_last_owner(user: User, owners: int) -> None:
    """Let the last owner neither go nor become something else.

    Raises:
        ConflictError: `LAST_OWNER`.
    """
    if user.role is Role.OWNER and owners <= 1:
        raise ConflictError(
            "LAST_OWNER",
            "This is the organisation's last owner; make somebody else an owner first, or delete the organisation.",
            user_id=user.id,
        )


def email_in_use() -> ConflictError:
    """Say that an address belongs to somebody already."""
    return ConflictError(
        "EMAIL_IN_USE", "This address has an account already; sign in, or use another one.", field="email"
    )


def unknown_backend(names: list[str], field: str) -> InvalidError:
    """Say that there are no such backends, and which there are."""
    return InvalidError(
        "UNKNOWN_BACKEND",
        f"There is no backend {', '.join(map(repr, names))}; GET /v1/backends lists them.",
        field=field,
        backends=sorted(backends()),
    )
