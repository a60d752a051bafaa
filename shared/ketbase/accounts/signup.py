"""Takes in new organisations."""

from typing import Final

from ketbase.accounts.requests import SignUp
from ketbase.accounts.roles import Role
from ketbase.accounts.rules import email_in_use
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Organization, Origin, User
from ketbase.accounts.views import OrganizationView, SignedUp, UserView
from ketbase.audit.lines import system_line
from ketbase.auth.buckets import Buckets, Rate
from ketbase.auth.credentials import CredentialStore
from ketbase.auth.passwords import Passwords, check_strength
from ketbase.auth.throttle import place_of
from ketbase.errors import ForbiddenError
from ketbase.ids import new_id
from ketbase.notices.outbox import notice
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Records

TRIES: Final = Rate(capacity=5, interval=60_000_000)
"""What one address may try: five at once, then one a minute."""


class SignUps:
    """Sign-up, where the installation is open to it."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        credentials: CredentialStore,
        passwords: Passwords,
        buckets: Buckets,
        clock: Clock,
        *,
        is_open: bool,
        most_concurrent_jobs: int,
    ):
        self._records = records
        self._store = store
        self._credentials = credentials
        self._passwords = passwords
        self._buckets = buckets
        self._clock = clock
        self._is_open = is_open
        self._most_concurrent_jobs = most_concurrent_jobs

    def sign_up(self, origin: Origin, body: SignUp) -> SignedUp:
        """Make an organisation and its owner.

        That an address is taken is told to whoever tries it, at the pace of `TRIES`, and only where sign-up is
        open: nobody could correct a mistake otherwise. Who wants nobody to know invites instead.

        Raises:
            ForbiddenError: `SIGN_UP_CLOSED`.
            RateLimitedError: `RATE_LIMITED`, too many tries from one place.
            InvalidError: `WEAK_PASSWORD`.
            ConflictError: `EMAIL_IN_USE`.
        """
        if not self._is_open:
            raise ForbiddenError(
                "SIGN_UP_CLOSED",
                "Nobody can sign up here; ask an owner of your organisation to invite you.",
            )
        self._buckets.take(f"sign-up#{place_of(origin)}", TRIES)
        password = body.password.get_secret_value()
        check_strength(password, body.email)
        now = self._clock.now()
        organization = Organization(id=new_id("org"), name=body.organization_name, created_at=now, updated_at=now)
        owner = User(
            id=new_id("user"),
            organization_id=organization.id,
            email=body.email,
            name=body.name,
            role=Role.OWNER,
            created_at=now,
            updated_at=now,
        )
        try:
            self._records.write(
                self._store.claim_email(body.email, owner),
                self._store.new_organization(organization),
                self._store.new_user(owner),
                self._credentials.first(organization.id, owner.id, self._passwords.hash(password)),
                system_line(
                    self._clock, organization.id, "organization.created", organization.id, origin, owner=owner.id
                ),
                notice(
                    self._clock,
                    organization.id,
                    "email",
                    body.email,
                    f"Welcome to Ketbase, {organization.name}",
                    f"The organisation {organization.name} was made with this address as its owner's. If that was "
                    "not you, answer this mail.",
                    about=organization.id,
                ),
            )
        except ConditionFailedError as problem:
            raise email_in_use() from problem
        shown = OrganizationView.of(organization, 1, self._most_concurrent_jobs)
        return SignedUp(organization=shown, user=UserView(**dict(owner)))
