"""Puts models into service, and takes them out of it."""

from collections.abc import Iterator

from ketbase.accounts.store import AccountStore
from ketbase.accounts.types import Caller
from ketbase.audit.lines import line
from ketbase.backends.service import Backends
from ketbase.errors import ConflictError, InvalidError
from ketbase.ids import new_id
from ketbase.models import layout
from ketbase.models.registry import Registry, busy
from ketbase.models.store import ModelStore
from ketbase.models.types import Deployed, Deployment, DeployModel, ModelEntry
from ketbase.ports.capacity import Capacity
from ketbase.ports.clock import Clock
from ketbase.ports.records import AtMost, Key, Records, Update, Write
from ketbase.run.service import check_allowed

_TRIES = 10


class Deployments:
    """What is served, and how many functions are kept warm for it."""

    def __init__(
        self,
        records: Records,
        store: ModelStore,
        registry: Registry,
        backends: Backends,
        accounts: AccountStore,
        capacity: Capacity,
        clock: Clock,
        *,
        max_replicas: int,
        public_url: str,
    ):
        """Wire it.

        Args:
            records: what is kept.
            store: where models lie.
            registry: the models.
            backends: on which they are served.
            accounts: what organisations allow themselves.
            capacity: what keeps functions warm.
            clock: the time.
            max_replicas: the most functions that are kept warm for one organisation.
            public_url: where the world reaches the API.
        """
        self._records = records
        self._store = store
        self._registry = registry
        self._backends = backends
        self._accounts = accounts
        self._capacity = capacity
        self._clock = clock
        self._max_replicas = max_replicas
        self._public_url = public_url.rstrip("/")

    def deploy(self, caller: Caller, model_id: str, body: DeployModel) -> Deployed:
        """Put a model into service, or change how it is served.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`, also of `shadow_of`; `BACKEND_NOT_FOUND`.
            InvalidError: `UNSUPPORTED_BACKEND`, `TOO_MANY_QUBITS`, `MOST_REPLICAS`, `TOO_MANY_REPLICAS`;
                `SHADOW_MISMATCH`, the two models do not answer the same question.
            ForbiddenError: `BACKEND_NOT_ALLOWED`, `HARDWARE_NOT_ENABLED`.
            ConflictError: `NOT_DEPLOYED`, the model of `shadow_of` is not in service; `SHADOW_TAKEN`, another model
                answers beside it; `MODEL_BUSY`.
            UnavailableError: `CAPACITY_UNAVAILABLE`.
        """
        entry = self._registry.entry(caller.organization_id, model_id)
        self._check_backend(caller, entry, body)
        first = None if body.shadow_of is None else self._first(caller, entry, body.shadow_of)
        now = self._clock.now()
        deployment = Deployment(
            id=new_id("deploy"),
            model_id=model_id,
            status="deployed",
            endpoint=f"{self._public_url}/v1/models/{model_id}/predict",
            backend=body.backend,
            shots=body.shots,
            replicas=body.replicas,
            shadow_of=body.shadow_of,
            created_at=now,
        )
        after = entry.model_copy(update={"status": "deployed", "deployment": deployment, "deployed_at": now})
        beside = [] if first is None else [first.model_copy(update={"shadowed_by": model_id})]
        told = line(
            self._clock, caller, "model.deployed", model_id, deployment_id=deployment.id, backend=body.backend
        )
        eta_s = self._replace(caller, entry, after, beside, told)
        self._capacity.prepare(caller.organization_id, model_id)
        return Deployed(
            deployment_id=deployment.id,
            model_id=model_id,
            endpoint=deployment.endpoint,
            status="deploying" if eta_s else "deployed",
            replicas=body.replicas,
            shadow_of=body.shadow_of,
            eta_seconds=eta_s,
        )

    def retire(self, caller: Caller, model_id: str) -> ModelEntry:
        """Take a model out of service; it may be deployed again.

        Raises:
            NotFoundError: `MODEL_NOT_FOUND`.
            ConflictError: `MODEL_BUSY`.
        """
        entry = self._registry.entry(caller.organization_id, model_id)
        if entry.status == "retired":
            return entry
        deployment = entry.deployment
        ended = None if deployment is None else deployment.model_copy(update={"status": "retired"})
        after = entry.model_copy(update={"status": "retired", "deployment": ended, "shadowed_by": None})
        self._replace(caller, entry, after, [], line(self._clock, caller, "model.retired", model_id))
        return after

    def erase(self, organization_id: str) -> Iterator[None]:
        """Take away what a deleted organisation's models have beside its own partition, and give functions back."""
        before = self._total()
        yield from self._store.erase(organization_id)
        if self._total() != before:
            self._settle()

    # --- What is written ---

    def _replace(
        self, caller: Caller, entry: ModelEntry, after: ModelEntry, beside: list[ModelEntry], told: Write
    ) -> int:
        """Write a changed model, and others that change with it; give the seconds until functions are warm."""
        organization_id = caller.organization_id
        changed = {each.id: each for each in beside}
        before = None if entry.deployment is None else entry.deployment.shadow_of
        if before is not None and before not in changed:
            left = self._store.entry(organization_id, before)
            if left is not None and left.shadowed_by == entry.id:
                changed[before] = left.model_copy(update={"shadowed_by": None})
        more = _replicas(after) - _replicas(entry)
        if more > 0:
            self._refuse_more(organization_id, more)
        # Asked for first, so that nothing changes where there are not as many.
        eta_s = self._capacity.provide(self._total() + more) if more else 0
        written = self._store.write(
            self._store.change(organization_id, after),
            *(self._store.change(organization_id, each) for each in changed.values()),
            *(self._counted(organization_id, more) if more else ()),
            told,
        )
        if more:
            self._settle()
        if not written:
            raise busy(entry.id)
        return eta_s

    def _settle(self) -> None:
        """Provide what all deployments ask for, also where others changed it at the same moment."""
        for _ in range(_TRIES):
            total = self._total()
            self._capacity.provide(total)
            if self._total() == total:
                return

    def _total(self) -> int:
        return self._replicas_at(layout.CAPACITY)

    def _replicas_at(self, place: Key) -> int:
        item = self._records.get(place)
        return 0 if item is None else int(item.values.get("replicas", 0))

    def _counted(self, organization_id: str, more: int) -> tuple[Write, Write]:
        """Count replicas, which only holds while the organisation has room for them."""
        room = (AtMost("replicas", self._max_replicas - more),) if more > 0 else ()
        return (
            Update(layout.CAPACITY, add={"replicas": more}),
            Update(layout.replicas(organization_id), add={"replicas": more}, when=room),
        )

    # --- What is refused ---

    def _refuse_more(self, organization_id: str, more: int) -> None:
        asked = self._replicas_at(layout.replicas(organization_id)) + more
        if asked > self._max_replicas:
            raise InvalidError(
                "MOST_REPLICAS",
                f"This installation keeps at most {self._max_replicas} functions warm for an organisation, and its "
                f"deployments would ask for {asked} together; whoever runs the installation can raise it "
                "(KETBASE_MAX_REPLICAS). A model answers without replicas, too.",
                field="replicas",
                given=asked,
                limit=self._max_replicas,
            )

    def _check_backend(self, caller: Caller, entry: ModelEntry, body: DeployModel) -> None:
        info = self._backends.info(body.backend)
        organization = self._accounts.organization(caller.organization_id)
        if organization is not None:
            check_allowed(organization.settings, info)
        if info.is_remote or info.type == "hardware" or (entry.method == "kernel" and info.type != "simulator"):
            raise InvalidError(
                "UNSUPPORTED_BACKEND",
                f"{info.name} does not serve this model: deploy it on a simulator"
                + ("." if entry.method == "kernel" else " or a simulated device."),
                field="backend",
                backend=info.id,
            )
        if entry.n_qubits > info.capabilities.max_qubits:
            raise InvalidError(
                "TOO_MANY_QUBITS",
                f"The model has {entry.n_qubits} qubits, {info.name} {info.capabilities.max_qubits}.",
                field="backend",
                n_qubits=entry.n_qubits,
                max_qubits=info.capabilities.max_qubits,
            )

    def _first(self, caller: Caller, entry: ModelEntry, first_id: str) -> ModelEntry:
        first = self._registry.entry(caller.organization_id, first_id)
        if first_id == entry.id or (first.deployment is not None and first.deployment.shadow_of is not None):
            raise InvalidError(
                "SHADOW_MISMATCH",
                "A model answers beside one whose answers are given, not beside itself or another shadow.",
                field="shadow_of",
            )
        if first.status != "deployed":
            raise ConflictError(
                "NOT_DEPLOYED",
                f"{first.name} {first.version} is not deployed.",
                model_id=first_id,
                field="shadow_of",
            )
        if first.shadowed_by not in (None, entry.id):
            raise ConflictError(
                "SHADOW_TAKEN",
                f"{first.shadowed_by} answers beside {first.name} {first.version}; retire it first.",
                model_id=first_id,
                shadowed_by=first.shadowed_by,
            )
        if entry.shadowed_by is not None:
            raise ConflictError(
                "SHADOW_TAKEN",
                f"{entry.shadowed_by} answers beside this model; retire that one first.",
                model_id=entry.id,
                shadowed_by=entry.shadowed_by,
            )
        widths = [len(self._registry.get(caller, each.id).lineage.data.features) for each in (first, entry)]
        if set(first.classes) != set(entry.classes) or widths[0] != widths[1]:
            raise InvalidError(
                "SHADOW_MISMATCH",
                f"{first.name} {first.version} tells {list(first.classes)} apart by {widths[0]} features, this "
                f"model {list(entry.classes)} by {widths[1]}; both have to answer the same requests.",
                field="shadow_of",
            )
        return first


def _replicas(entry: ModelEntry) -> int:
    return entry.deployment.replicas if entry.deployment is not None and entry.status == "deployed" else 0
