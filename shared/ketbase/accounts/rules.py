"""What is refused: to touch those above, to lose the last owner, to take another's address, unknown backends."""

from ketbase.accounts.roles import Role
from ketbase.accounts.types import Caller, User
from ketbase.backends.catalog import backends
from ketbase.errors import ConflictError, ForbiddenError, InvalidError


def refuse_higher_role(caller: Caller, role: Role) -> None:
    """Let nobody grant a role above their own.

    Raises:
        ForbiddenError: `ROLE_ABOVE_OWN`.
    """
    if role.rank > caller.role.rank:
        raise ForbiddenError(
            "ROLE_ABOVE_OWN",
            f"As {caller.role} you can grant roles up to {caller.role}, not {role}.",
            field="role",
            own_role=caller.role,
        )


def refuse_superior(caller: Caller, user: User) -> None:
    """Let nobody change somebody above them.

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
