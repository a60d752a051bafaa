"""Erases all that a deleted organisation owns.

What belongs to a thing goes before the thing itself, and the organisation's own item goes last. So an erasure that
is killed at any point finds the rest at its next call, without a note of how far it was.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from ketbase.accounts import layout
from ketbase.accounts.invitationstore import InvitationStore
from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.auth.credentials import CredentialStore
from ketbase.circuits.store import CircuitStore
from ketbase.errors import ConflictError, NotFoundError
from ketbase.jobs import layout as job_layout
from ketbase.jobs.service import Jobs
from ketbase.jobs.store import JobStore
from ketbase.jobs.types import JobStatus
from ketbase.ledger import layout as ledger_layout
from ketbase.models.deployments import Deployments
from ketbase.ports.blobs import Blobs
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Delete, Equals, Index, Records, walk
from ketbase.states.store import StateStore
from ketbase.types import Model

BLOB_ROOMS = ("circuits", "compiled", "datasets", "jobs", "models", "states")
"""The first part of the blobs' keys; the second is the organisation."""

_WHOLE = "organization"
_BATCH = 100


class Erased(Model):
    """What one call did.

    Attributes:
        finished: organisations of which nothing is left but the audit log.
        unfinished: those that the next call goes on with.
    """

    finished: tuple[str, ...]
    unfinished: tuple[str, ...]


class Erasure:
    """Erases deleted organisations, a part at each call."""

    def __init__(
        self,
        records: Records,
        blobs: Blobs,
        accounts: AccountStore,
        keys: KeyStore,
        invitations: InvitationStore,
        credentials: CredentialStore,
        circuits: CircuitStore,
        job_store: JobStore,
        jobs: Jobs,
        models: Deployments,
        states: StateStore | None,
        clock: Clock,
        *,
        linger: timedelta,
    ):
        """Wire it; for `linger` after its deletion, a run that was under way may still write something.

        `states` is `None` in an installation that keeps no vectors, and so no states.
        """
        self._records = records
        self._blobs = blobs
        self._accounts = accounts
        self._keys = keys
        self._invitations = invitations
        self._credentials = credentials
        self._circuits = circuits
        self._job_store = job_store
        self._jobs = jobs
        self._models = models
        self._states = states
        self._clock = clock
        self._linger = linger

    def erase(self, until: datetime) -> Erased:
        """Go on with all deleted organisations until there is no more to do, or it is `until`."""
        finished: list[str] = []
        waiting = list(self._deleted())
        for organization_id in waiting:
            for _ in self._steps(organization_id):
                if self._clock.now() >= until:
                    return _summary(waiting, finished)
            if self._accounts.kept_organization(organization_id) is None:
                finished.append(organization_id)
        return _summary(waiting, finished)

    def _deleted(self) -> Iterator[str]:
        for item in walk(self._records, layout.ERASING, index=Index.WORK):
            yield item.key.partition.removeprefix("org#")

    def _steps(self, organization_id: str) -> Iterator[None]:
        """Erase everything, and pause after each small part."""
        kept = self._accounts.kept_organization(organization_id)
        if kept is None or kept.deleted_at is None:
            return
        yield from self._cancel_jobs(organization_id)
        yield from self._erase_people(organization_id)
        yield from self._erase_circuits(organization_id)
        yield from self._erase_jobs(organization_id)
        if any(self._job_store.walk(organization_id, (), after=None, descending=False)):
            return  # a provider has still to stop one, and nobody but the job knows of it
        yield from self._models.erase(organization_id)
        if self._states is not None:
            yield from self._states.erase_vectors(organization_id)
        for room in BLOB_ROOMS:
            for key in self._blobs.keys(f"{room}/{organization_id}/"):
                self._blobs.delete(key)
                yield
        yield from self._erase_books(organization_id, kept.organization.created_at)
        self._records.write(
            Delete(job_layout.tally(organization_id)), Delete(layout.bucket(layout.inviter(organization_id)))
        )
        own = layout.partition(organization_id)
        yield from self._erase_partition(own, spare=_WHOLE)
        if datetime.fromisoformat(kept.deleted_at) + self._linger <= self._clock.now():
            with suppress(ConditionFailedError):
                # An installation without its first organisation may found another one.
                self._records.write(Delete(layout.FIRST_OWNER, (Equals("organization_id", organization_id),)))
            self._records.write(Delete(layout.organization(organization_id)))
            yield

    def _cancel_jobs(self, organization_id: str) -> Iterator[None]:
        nobody = Caller(organization_id=organization_id, user_id="", scopes=frozenset())
        # In all states: the lists of each are an index, which may lag behind.
        for job in self._job_store.walk(organization_id, (), after=None, descending=False):
            if not job.status.final:
                with suppress(ConflictError, NotFoundError):  # it ended meanwhile
                    self._jobs.cancel(nobody, job.id)
                yield

    def _erase_people(self, organization_id: str) -> Iterator[None]:
        for record in self._keys.walk(organization_id, None):
            self._records.write(*self._keys.erasure(record), Delete(layout.bucket(record.id)))
            yield
        for invitation in self._invitations.walk(organization_id):
            with suppress(ConditionFailedError):
                self._records.write(*self._invitations.removal(invitation))
            yield
        for user in self._accounts.users(organization_id):
            yield from self._erase_partition(f"user#{user.id}")
            self._records.write(
                *self._credentials.removal(organization_id, user.id),
                *([Delete(layout.email(user.email))] if user.email else []),
                Delete(layout.bucket(user.id)),
                Delete(layout.user(organization_id, user.id)),
            )
            yield

    def _erase_circuits(self, organization_id: str) -> Iterator[None]:
        for circuit in self._circuits.walk(organization_id, (), after=None, descending=False):
            self._circuits.remove(organization_id, circuit)
            yield

    def _erase_jobs(self, organization_id: str) -> Iterator[None]:
        for item in walk(self._records, layout.partition(organization_id), prefix="job#"):
            if not JobStatus(item.values["status"]).final:
                continue  # submitted a moment ago: it holds a place among the running jobs, and is cancelled first
            yield from self._erase_partition(job_layout.events(item.key.sort.removeprefix("job#")))
            self._records.write(Delete(item.key))
            yield

    def _erase_books(self, organization_id: str, founded: datetime) -> Iterator[None]:
        month = founded.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while month <= self._clock.now():
            account = ledger_layout.Account(
                "organization", organization_id, organization_id, ledger_layout.month_of(month)
            )
            yield from self._erase_partition(f"org#{organization_id}#ledger#{account.month}")
            self._records.write(Delete(account.place))
            month = (month + timedelta(days=31)).replace(day=1)
        yield from self._erase_partition(ledger_layout.events(organization_id))
        yield from self._erase_partition(ledger_layout.usage(organization_id))

    def _erase_partition(self, partition: str, *, spare: str = "") -> Iterator[None]:
        while True:
            page = self._records.query(partition, limit=_BATCH)
            found = [item.key for item in page.items if item.key.sort != spare]
            if not found:
                return
            self._records.write(*(Delete(key) for key in found))
            yield


def _summary(waiting: list[str], finished: list[str]) -> Erased:
    return Erased(finished=tuple(finished), unfinished=tuple(each for each in waiting if each not in finished))
