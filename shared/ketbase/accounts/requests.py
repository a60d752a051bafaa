"""What callers send to change organisations, users and keys."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, StringConstraints, model_validator

from ketbase.accounts.roles import Role
from ketbase.accounts.types import ToldOf
from ketbase.money import Money
from ketbase.types import Model

_ADDRESS = r"^[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(\.[\w-]+)+$"


def _address(text: str) -> str:
    if not re.fullmatch(_ADDRESS, text):
        raise ValueError("a mail address looks like jane@example.com")
    return text


# Names and addresses go into mails: a line break in one would be another header.
type Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(examples=["Acme Quantum Labs"]),
]
type Email = Annotated[
    str,
    StringConstraints(max_length=254),
    AfterValidator(_address),
    Field(examples=["jane@example.com"], json_schema_extra={"pattern": _ADDRESS}),
]
type Password = Annotated[SecretStr, Field(examples=["correct horse battery staple"])]
type Backend = Annotated[str, StringConstraints(min_length=1, max_length=100)]
type Scope = Annotated[str, StringConstraints(max_length=100), Field(examples=["jobs:*"])]
type Limit = Annotated[Money, Field(description="US dollars a month; null lifts it", examples=["25.00"])]


class SignUp(Model):
    """A new organisation and its first owner."""

    organization_name: Name
    name: Name
    email: Email
    password: Password


class UpdateSettings(Model):
    """The settings to change; see `OrganizationSettings`. Null takes a limit away."""

    max_concurrent_jobs: Annotated[int, Field(ge=1)] | None = None
    allowed_backends: Annotated[tuple[Backend, ...], Field(max_length=1_000)] | None = None
    enable_hardware: bool = False
    slack_webhook: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class UpdateOrganization(Model):
    """What to change about an organisation; what is left out stays."""

    name: Name | None = None
    settings: UpdateSettings = UpdateSettings()


class DeleteOrganization(Model):
    """The organisation's name, typed out, so that nobody deletes one by mistake."""

    confirmation: str


class InviteUser(Model):
    """Whom to invite, and as what."""

    email: Email
    role: Role = Role.DEVELOPER


class AcceptInvitation(Model):
    """The token from the mail, and what the new user is called and signs in with."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    name: Name
    password: Password


class UpdateUser(Model):
    """What to change about a user; what is left out stays."""

    name: Name | None = None
    role: Role | None = None
    monthly_limit: Limit | None = None

    @model_validator(mode="after")
    def _limit_is_an_amount(self) -> Self:
        return _refuse_negative(self, self.monthly_limit)


class UpdateNotifications(Model):
    """Which ways to be told things."""

    email: bool | None = None
    slack: bool | None = None
    jobs: ToldOf | None = None


class UpdatePreferences(Model):
    """The preferences to change; what is left out stays."""

    default_backend: Backend | None = None
    notifications: UpdateNotifications = UpdateNotifications()


class UpdateMe(Model):
    """What a user changes about themselves; what is left out stays."""

    name: Name | None = None
    preferences: UpdatePreferences = UpdatePreferences()


class CreateKey(Model):
    """A new API key.

    Attributes:
        scopes: what it may do, such as `circuits:read` or `jobs:*`.
        rate_limit: how many requests it may make at once.
        expires_at: when it stops working; never, where it is left out.
        monthly_limit: what jobs submitted with it may cost in a month.
    """

    name: Name
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=100)]
    rate_limit: Annotated[int, Field(ge=1)] = 1_000
    expires_at: AwareDatetime | None = None
    monthly_limit: Limit | None = None

    @model_validator(mode="after")
    def _limit_is_an_amount(self) -> Self:
        return _refuse_negative(self, self.monthly_limit)


def _refuse_negative[T](body: T, limit: Money | None) -> T:
    if limit is not None and limit < Money():
        raise ValueError("monthly_limit is at least 0")
    return body
