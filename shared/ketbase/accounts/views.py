"""What callers see of organisations, users, invitations and keys."""

from ketbase.accounts.roles import Role
from ketbase.accounts.types import KeyRecord, Organization, OrganizationSettings, User
from ketbase.money import Money
from ketbase.types import Model, Moment

HIDDEN = "***"


class OrganizationView(Organization):
    """An organisation, with the settings that hold now.

    Attributes:
        members: how many users it has.
    """

    members: int

    @classmethod
    def of(cls, organization: Organization, members: int, most_concurrent_jobs: int) -> "OrganizationView":
        """Show an organisation; a webhook is a secret, so that only whether there is one is shown."""
        shown = shown_settings(organization.settings, most_concurrent_jobs)
        return cls(**{**dict(organization), "settings": shown}, members=members)


def shown_settings(settings: OrganizationSettings, most_concurrent_jobs: int) -> OrganizationSettings:
    """Give the settings as they hold and may be seen."""
    return settings.model_copy(
        update={
            "max_concurrent_jobs": settings.concurrent_jobs(most_concurrent_jobs),
            "slack_webhook": settings.slack_webhook and HIDDEN,
        }
    )


class UserView(User):
    """A user.

    Attributes:
        last_active: when they last called while signed in; calls with their keys are shown with the keys.
    """

    last_active: Moment | None = None


class SignedUp(Model):
    """A new organisation and its owner, who can sign in now."""

    organization: OrganizationView
    user: UserView


class Farewell(Model):
    """What happens to an organisation that is being deleted.

    Attributes:
        message: what goes, what stays, and how long it takes.
    """

    organization_id: str
    status: str = "erasing"
    deleted_at: Moment
    members: int
    api_keys: int
    message: str


class Invitation(Model):
    """Somebody who was asked to join.

    Attributes:
        invited_by: the user who asked.
        key_id: the API key that they asked with, if it was one; the invitation dies with it.
    """

    id: str
    organization_id: str
    email: str
    role: Role
    invited_by: str
    key_id: str | None = None
    created_at: Moment
    expires_at: Moment


class KeyView(Model):
    """An API key; the key itself is shown once, when it is made.

    Attributes:
        hint: its beginning and its last four characters.
        last_used: `None` where it was not used since it was made, or for long.
    """

    id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    rate_limit: int
    monthly_limit: Money | None
    expires_at: Moment | None
    last_used: Moment | None = None
    created_at: Moment
    user_id: str

    @classmethod
    def of(cls, record: KeyRecord, last_used: str | None = None) -> "KeyView":
        """Show what is kept of a key."""
        shown = {name: getattr(record, name) for name in KeyView.model_fields if name != "last_used"}
        return cls.model_validate({**shown, "last_used": last_used})


class NewKey(KeyView):
    """A key that was just made.

    Attributes:
        key: shown only now.
    """

    key: str
