"""Shows an organisation to its members, changes its settings, and deletes it."""

from collections.abc import Callable
from typing import Any, Protocol

from ketbase.accounts.keystore import KeyStore
from ketbase.accounts.requests import UpdateOrganization, UpdateSettings
from ketbase.accounts.rules import unknown_backend
from ketbase.accounts.store import AccountStore, KeptOrganization
from ketbase.accounts.types import Caller, Organization, OrganizationSettings
from ketbase.accounts.views import Farewell, OrganizationView, shown_settings
from ketbase.audit.lines import line
from ketbase.backends.catalog import backends
from ketbase.errors import ConflictError, InvalidError, NotFoundError
from ketbase.notices.webhooks import check_webhook
from ketbase.ports.clock import Clock
from ketbase.ports.records import ConditionFailedError, Records

_TRIES = 5


class Sealer(Protocol):
    """Seals secrets; see `ketbase.vault`, whose libraries take time to load."""

    def seal(self, text: str) -> str:
        """Encrypt and sign a text."""


class Organizations:
    """What a member sees and changes of the organisation."""

    def __init__(
        self,
        records: Records,
        store: AccountStore,
        keys: KeyStore,
        vault: Callable[[], Sealer],
        clock: Clock,
        *,
        most_concurrent_jobs: int,
        webhook_hosts: tuple[str, ...],
    ):
        """Wire it.

        Args:
            records: the store that all writes go to.
            store: organisations and users.
            keys: the API keys.
            vault: asked for where there is something to seal.
            clock: the time.
            most_concurrent_jobs: what the installation allows one organisation.
            webhook_hosts: what webhooks may call.
        """
        self._records = records
        self._store = store
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self._most_concurrent_jobs = most_concurrent_jobs
        self._webhook_hosts = webhook_hosts

    def get(self, caller: Caller) -> OrganizationView:
        """Show the caller's organisation.

        Raises:
            NotFoundError: `ORGANIZATION_NOT_FOUND`, it was deleted meanwhile.
        """
        return self._view(self._kept(caller).organization)

    def update(self, caller: Caller, body: UpdateOrganization) -> OrganizationView:
        """Change the name or some settings.

        Raises:
            InvalidError: `TOO_MANY_CONCURRENT_JOBS` for the installation, `UNKNOWN_BACKEND` or `INVALID_WEBHOOK`.
            NotFoundError: `ORGANIZATION_NOT_FOUND`.
            ConflictError: `ORGANIZATION_BUSY`, others changed it at the same moment, again and again.
        """
        self._refuse(body.settings)
        given = {name: getattr(body.settings, name) for name in body.settings.model_fields_set}
        if given.get("slack_webhook"):
            given["slack_webhook"] = self._vault().seal(given["slack_webhook"])
        for _ in range(_TRIES):
            kept = self._kept(caller)
            before = kept.organization
            after = before.model_copy(
                update={
                    "name": body.name or before.name,
                    "settings": before.settings.model_copy(update=given),
                    "updated_at": self._clock.now(),
                }
            )
            changed = self._changes(before, after)
            if not changed:
                return self._view(before)
            try:
                self._records.write(
                    self._store.change(kept, after),
                    line(self._clock, caller, "organization.updated", after.id, changed=changed),
                )
            except ConditionFailedError:
                continue
            return self._view(after)
        raise _busy()

    def delete(self, caller: Caller, confirmation: str) -> Farewell:
        """Refuse every credential of the organisation from now on, and have all that it owns erased.

        Raises:
            InvalidError: `CONFIRMATION_MISMATCH`.
            NotFoundError: `ORGANIZATION_NOT_FOUND`.
            ConflictError: `ORGANIZATION_BUSY`.
        """
        for _ in range(_TRIES):
            kept = self._kept(caller)
            organization = kept.organization
            if confirmation != organization.name:
                raise InvalidError(
                    "CONFIRMATION_MISMATCH",
                    "To delete the organisation, send its name as `confirmation`, exactly as it is written.",
                    field="confirmation",
                )
            now = self._clock.now()
            members = self._store.members(organization.id)
            keys = self._keys.count(organization.id, None)
            try:
                self._records.write(
                    self._store.mark_deleted(kept, now),
                    line(
                        self._clock,
                        caller,
                        "organization.deleted",
                        organization.id,
                        name=organization.name,
                        members=members,
                        api_keys=keys,
                    ),
                )
            except ConditionFailedError:
                continue
            return Farewell(
                organization_id=organization.id,
                deleted_at=now,
                members=members,
                api_keys=keys,
                message=(
                    "All sessions and API keys are refused from now on. Within minutes the running jobs are "
                    "cancelled, and users, keys, circuits, jobs, results and books are erased. The audit log "
                    "stays until its retention ends."
                ),
            )
        raise _busy()

    def _kept(self, caller: Caller) -> KeptOrganization:
        kept = self._store.kept_organization(caller.organization_id)
        if kept is None or kept.deleted_at:
            raise NotFoundError("ORGANIZATION_NOT_FOUND", "This organisation was deleted.")
        return kept

    def _view(self, organization: Organization) -> OrganizationView:
        return OrganizationView.of(organization, self._store.members(organization.id), self._most_concurrent_jobs)

    def _refuse(self, settings: UpdateSettings) -> None:
        if (settings.max_concurrent_jobs or 0) > self._most_concurrent_jobs:
            raise InvalidError(
                "TOO_MANY_CONCURRENT_JOBS",
                f"This installation runs at most {self._most_concurrent_jobs} jobs of an organisation at a time.",
                field="settings.max_concurrent_jobs",
                limit=self._most_concurrent_jobs,
            )
        unknown = sorted(set(settings.allowed_backends or ()) - set(backends()))
        if unknown:
            raise unknown_backend(unknown, "settings.allowed_backends")
        if settings.slack_webhook is not None:
            check_webhook(settings.slack_webhook, self._webhook_hosts)

    def _changes(self, before: Organization, after: Organization) -> dict[str, Any]:
        """Name what differs, as it was and as it is; of a webhook only whether there is one."""
        old, new = (_flat(each, self._most_concurrent_jobs) for each in (before, after))
        changed = {name: {"before": old[name], "after": new[name]} for name in new if old[name] != new[name]}
        if before.settings.slack_webhook != after.settings.slack_webhook:
            name = "slack_webhook"
            changed[name] = {"before": old[name], "after": new[name]}
        return changed


def _flat(organization: Organization, most: int) -> dict[str, Any]:
    settings: OrganizationSettings = shown_settings(organization.settings, most)
    return {"name": organization.name, **settings.model_dump(mode="json")}


def _busy() -> ConflictError:
    return ConflictError("ORGANIZATION_BUSY", "Others changed the organisation at the same moment; try again.")
