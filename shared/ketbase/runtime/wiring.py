"""The one place that picks adapters and puts services together; each is made once in a process, when asked for.

Each is also imported when asked for, so that a function loads the rooms it uses and no other.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketbase.errors import NotFoundError
from ketbase.runtime.settings import settings
from ketbase.version import VERSION

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ketbase.accounts.erasure import Erasure
    from ketbase.accounts.first_owner import FirstOwner
    from ketbase.accounts.founding import Founding
    from ketbase.accounts.invitations import Invitations
    from ketbase.accounts.invitationstore import InvitationStore
    from ketbase.accounts.issuing import KeyIssuer
    from ketbase.accounts.joining import Joining
    from ketbase.accounts.keys import Keys
    from ketbase.accounts.keystore import KeyStore
    from ketbase.accounts.organizations import Organizations
    from ketbase.accounts.signup import SignUps
    from ketbase.accounts.store import AccountStore
    from ketbase.accounts.users import Users
    from ketbase.audit.archive import Archive
    from ketbase.audit.sealer import Sealer
    from ketbase.audit.service import Audit
    from ketbase.audit.verifier import Verifier
    from ketbase.auth.admission import Admission
    from ketbase.auth.buckets import Buckets
    from ketbase.auth.credentials import CredentialStore
    from ketbase.auth.grants import Grants
    from ketbase.auth.key_rotation import KeyRotation
    from ketbase.auth.mfa import Mfa
    from ketbase.auth.oidc import Oidc
    from ketbase.auth.own_sessions import OwnSessions
    from ketbase.auth.password_changes import PasswordChanges
    from ketbase.auth.passwords import Passwords
    from ketbase.auth.second_factor import SecondFactor
    from ketbase.auth.sessions import Sessions
    from ketbase.auth.signing_keys import SigningKeys
    from ketbase.auth.throttle import Throttle
    from ketbase.auth.tokens import AccessTokens
    from ketbase.backends.calibrations import CalibrationHistory
    from ketbase.backends.discovered import Discoveries
    from ketbase.backends.lanes import Lane, Lanes
    from ketbase.backends.service import Backends
    from ketbase.backends.types import Engine as EngineName
    from ketbase.circuits.service import Circuits
    from ketbase.costs.alerts import Alerts
    from ketbase.costs.budgets import Budgets
    from ketbase.costs.comparison import Comparison
    from ketbase.costs.prices import Prices, Rate
    from ketbase.costs.quotes import Quotes
    from ketbase.costs.reconciliation import Reconciler
    from ketbase.costs.statement import Statement
    from ketbase.costs.statements import Statements
    from ketbase.costs.usage import UsageReports
    from ketbase.datasets.service import Datasets
    from ketbase.datasets.store import DatasetStore
    from ketbase.jobs.dispatcher import Dispatcher
    from ketbase.jobs.purge import JobPurge
    from ketbase.jobs.service import Jobs
    from ketbase.jobs.store import JobStore
    from ketbase.jobs.sweeper import Sweeper
    from ketbase.ledger.service import Ledger
    from ketbase.models.cards import Cards, ModelCard
    from ketbase.models.deployments import Deployments
    from ketbase.models.exporting import Exports
    from ketbase.models.loaded import LoadedModels
    from ketbase.models.metrics import Observations
    from ketbase.models.pricing import PredictionPrices
    from ketbase.models.registry import Registry
    from ketbase.models.serving import Serving
    from ketbase.models.shadowing import Comparisons
    from ketbase.models.store import ModelStore
    from ketbase.notices.deliverer import Deliverer
    from ketbase.optimize.service import Optimizations
    from ketbase.optimize.steps import OptimizeSteps
    from ketbase.ports.blobs import Blobs
    from ketbase.ports.capacity import Capacity
    from ketbase.ports.clock import Clock
    from ketbase.ports.datasets import DataReader
    from ketbase.ports.doorbell import Doorbell
    from ketbase.ports.identity import IdentityProvider
    from ketbase.ports.images import Images
    from ketbase.ports.inference import Inference
    from ketbase.ports.mail import Mail
    from ketbase.ports.quantum import CircuitLanguage, QuantumProvider, StateVectors
    from ketbase.ports.records import Records
    from ketbase.ports.training import Trainer
    from ketbase.ports.vectors import Vectors
    from ketbase.ports.webhooks import Webhooks
    from ketbase.ports.workflows import Workflows
    from ketbase.providers.breaker import Breakers
    from ketbase.providers.poller import Poller
    from ketbase.providers.refresher import Refresher
    from ketbase.quantum.engines import Engine
    from ketbase.quantum.sandbox import Sandbox
    from ketbase.run.compute import ComputeSteps
    from ketbase.run.ending import FinalSteps
    from ketbase.run.handover import HandoverSteps
    from ketbase.run.service import Runs
    from ketbase.states.search import StateSearch
    from ketbase.states.service import States
    from ketbase.states.store import StateStore
    from ketbase.steps.failing import Failing
    from ketbase.steps.files import JobFiles
    from ketbase.steps.intake import Intake
    from ketbase.training.service import Trainings
    from ketbase.training.steps import TrainingSteps
    from ketbase.vault import Vault

_FUNCTION_THREADS = 2
_BESIDE_MB = 2_048
"""What a container needs beside the simulation: the interpreter, the SDKs, and what Aer copies."""
_START_S = 60
"""What of a container's time is kept for its start, in seconds."""
_IN_BLOBS = "blobs:"
_IMAGE_BLOBS = f"{_IN_BLOBS}datasets/images"

# --- Adapters ---


@functools.cache
def clock() -> Clock:
    """The clock of this process."""
    from ketbase.adapters.clock import SystemClock

    return SystemClock()


@functools.cache
def records() -> Records:
    """The store of records that the settings name."""
    chosen = settings()
    if chosen.records == "dynamodb":
        from ketbase.adapters.records.dynamodb import DynamoRecords

        return DynamoRecords(_aws("dynamodb"), chosen.table, clock())
    from ketbase.adapters.records.sqlite import SqliteRecords

    return SqliteRecords(chosen.data / "records.db", clock())


@functools.cache
def blobs() -> Blobs:
    """The store of blobs that the settings name."""
    chosen = settings()
    if chosen.blobs == "s3":
        from ketbase.adapters.blobs.s3 import S3Blobs

        return S3Blobs(_aws("s3"), chosen.bucket)
    if chosen.blobs == "cos":
        from ketbase.adapters.blobs.cos import CosBlobs

        return CosBlobs(_cos(), chosen.bucket, links=chosen.cos_auth == "hmac")
    from ketbase.adapters.blobs.files import FileBlobs

    return FileBlobs(chosen.data / "blobs")


@functools.cache
def vectors() -> Vectors:
    """The store of vectors that the settings name.

    Raises:
        NotFoundError: `VECTORS_NOT_CONFIGURED`, they name none.
    """
    chosen = settings()
    if chosen.vectors == "none":
        raise NotFoundError(
            "VECTORS_NOT_CONFIGURED",
            "This installation keeps no vectors: whoever runs it has to name a store of them.",
        )
    if chosen.vectors == "pinecone":
        from ketbase.adapters.vectors.pinecone import PineconeVectors

        return PineconeVectors(
            _secret(chosen.pinecone_api_key),
            prefix=f"ketbase-{chosen.stage}",
            cloud=chosen.pinecone_cloud,
            region=chosen.pinecone_region,
            host=chosen.pinecone_host or None,
        )
    from ketbase.adapters.vectors.embedded import EmbeddedVectors

    return EmbeddedVectors(chosen.data / "vectors")


@functools.cache
def doorbell() -> Doorbell:
    """The doorbell that the settings name."""
    if settings().doorbell == "sqs":
        from ketbase.adapters.doorbell.sqs import SqsDoorbell

        return SqsDoorbell(_aws("sqs"), settings().queue_url)
    from ketbase.adapters.doorbell.local import LocalDoorbell

    return LocalDoorbell()


@functools.cache
def mail() -> Mail:
    """The carrier of mails that the settings name."""
    chosen = settings()
    if chosen.mail == "ses":
        from ketbase.adapters.mail.ses import SesMail

        return SesMail(_aws("sesv2"), chosen.mail_from)
    from ketbase.adapters.mail.files import FileMail

    return FileMail(chosen.data / "mail", chosen.mail_from, clock())


def webhook_hosts() -> tuple[str, ...]:
    """What webhooks may call."""
    return tuple(host.strip() for host in settings().webhook_hosts.split(",") if host.strip())


@functools.cache
def webhooks() -> Webhooks:
    """What posts to webhooks."""
    from ketbase.adapters.webhooks.https import HttpsWebhooks

    return HttpsWebhooks(webhook_hosts())


@functools.cache
def workflows() -> Workflows:
    """The workflow engine that the settings name."""
    if settings().workflows == "stepfunctions":
        from ketbase.adapters.workflows.stepfunctions import StepFunctions

        return StepFunctions(_aws("stepfunctions"), settings().state_machine_arn)
    from ketbase.adapters.workflows.local import LocalWorkflows

    return LocalWorkflows(settings().data / "workflows.db", clock())


@functools.cache
def language() -> CircuitLanguage:
    """What reads and writes OpenQASM."""
    from ketbase.quantum.language import QiskitLanguage

    return QiskitLanguage(_sandbox())


@functools.cache
def state_vectors() -> StateVectors:
    """What computes states and compares them."""
    from ketbase.quantum.states import QiskitStates

    return QiskitStates(_sandbox())


@functools.cache
def data_reader() -> DataReader:
    """What reads uploaded data."""
    from ketbase.quantum.data.reader import UploadReader

    return UploadReader()


@functools.cache
def images() -> Images:
    """The installation's images."""
    from ketbase.adapters.images import BlobImages, FolderImages

    chosen = settings()
    where = chosen.datasets_url or ("" if chosen.blobs == "files" else _IMAGE_BLOBS)
    if where.startswith(_IN_BLOBS):
        return BlobImages(blobs(), where.removeprefix(_IN_BLOBS))
    return FolderImages(Path(where) if where else chosen.data / "datasets")


@functools.cache
def _sandbox() -> Sandbox:
    from ketbase.quantum.sandbox import Sandbox

    return Sandbox()


@functools.cache
def provider() -> QuantumProvider:
    """What compiles and executes circuits."""
    from ketbase.quantum.providers import QuantumProviders

    return QuantumProviders(
        {
            "aer": _aer,
            "qsim": _qsim,
            "lightning": _lightning,
            "cuquantum": _cuquantum,
            "ionq": _ionq,
            "ibm": _ibm,
            "braket": _braket,
        }
    )


def _simulation_mb() -> int:
    """What a simulation may use in this process."""
    return int(lanes().limits(_lane()).memory_mb)


def _threads() -> int:
    """How many threads simulate in this process; a function has two vCPUs or less than that."""
    return settings().batch_vcpus if settings().lane == "batch" else _FUNCTION_THREADS


def _aer() -> Engine:
    from ketbase.quantum.simulators import AerEngine

    return AerEngine(max_memory_mb=_simulation_mb(), threads=_threads())


def _qsim() -> Engine:
    from ketbase.quantum.qsim import QsimEngine

    return QsimEngine(max_memory_mb=_simulation_mb(), threads=_threads())


def _lightning() -> Engine:
    from ketbase.quantum.lightning import LightningEngine

    return LightningEngine(max_memory_mb=_simulation_mb(), gpu="lightning" in engines_on_gpu())


def _cuquantum() -> Engine:
    from ketbase.quantum.cuquantum import CuQuantumEngine

    return CuQuantumEngine(max_memory_mb=_simulation_mb())


def _ionq() -> Engine:
    from ketbase.quantum.ionq.engine import IonqEngine

    return IonqEngine(lambda: _secret(settings().ionq_api_key), settings().ionq_url)


def _ibm() -> Engine:
    from ketbase.quantum.ibm.account import sign_in
    from ketbase.quantum.ibm.engine import IbmEngine

    chosen = settings()
    where = {"instance": chosen.ibm_instance, "channel": chosen.ibm_channel, "url": chosen.ibm_url}
    return IbmEngine(lambda: sign_in(_secret(chosen.ibm_token), **where))


def _braket() -> Engine:
    import boto3

    from ketbase.quantum.braket.calls import CONFIG
    from ketbase.quantum.braket.engine import BraketEngine

    chosen = settings()

    def client(region: str) -> Any:
        return boto3.client("braket", region_name=region, endpoint_url=chosen.braket_url, config=CONFIG)

    regions = tuple(each.strip() for each in chosen.braket_regions.split(",") if each.strip())
    return BraketEngine(client, _aws("s3"), clock(), regions=regions, bucket=chosen.braket_bucket)


@functools.cache
def _aws(service: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=1, read_timeout=6)
    if service == "s3":
        # Links signed the older way do not open objects that KMS encrypts.
        config = config.merge(Config(signature_version="s3v4"))
        if settings().endpoint_url is None:
            # Links to the bucket's own region: S3 may redirect others, which a signed PUT does not survive.
            config = config.merge(Config(s3={"addressing_style": "virtual"}))
    return boto3.client(service, endpoint_url=settings().endpoint_url, config=config)


def _cos() -> Any:
    from ketbase.adapters.blobs.cos import hmac_client, oauth_client

    chosen = settings()
    if chosen.cos_auth == "hmac":
        secret = _secret(chosen.cos_secret_access_key)
        return hmac_client(chosen.cos_endpoint_url, chosen.cos_access_key_id, secret)
    key = _secret(chosen.cos_api_key)
    return oauth_client(chosen.cos_endpoint_url, key, chosen.cos_instance_id, chosen.cos_token_url)


def _secret(setting: SecretStr) -> str:
    from ketbase.runtime.secrets import reveal

    return reveal(setting, _aws)


def bootstrap_key() -> str | None:
    """The key that the settings give the first owner, if they do."""
    given = settings().bootstrap_key
    return None if given is None else _secret(given)


@functools.cache
def vault() -> Vault:
    """What seals secrets that are kept."""
    from ketbase.runtime.secrets import own_secret
    from ketbase.vault import Vault

    chosen = settings()
    if chosen.secret is not None:
        return Vault([each.strip() for each in _secret(chosen.secret).split(",")])
    # A function's own folder is no place for it: the next function would not find it.
    return Vault([] if chosen.records == "dynamodb" else [own_secret(chosen.data)])


# --- Services ---


@functools.cache
def founding() -> Founding:
    """Who is calling."""
    from ketbase.accounts.founding import Founding

    return Founding(records(), clock(), rate_limit=settings().max_key_rate_limit)


@functools.cache
def account_store() -> AccountStore:
    """Where organisations and users lie."""
    from ketbase.accounts.store import AccountStore

    return AccountStore(records())


@functools.cache
def keys() -> Keys:
    """API keys as credentials."""
    from ketbase.accounts.keys import Keys

    return Keys(key_store(), account_store(), clock())


@functools.cache
def key_store() -> KeyStore:
    """Where API keys lie."""
    from ketbase.accounts.keystore import KeyStore

    return KeyStore(records())


@functools.cache
def key_issuer() -> KeyIssuer:
    """What makes API keys."""
    from ketbase.accounts.issuing import KeyIssuer

    chosen = settings()
    environment = {"prod": "live", "staging": "test"}.get(chosen.stage, "dev")
    most = chosen.max_key_rate_limit
    return KeyIssuer(
        records(), account_store(), key_store(), ledger(), clock(), environment=environment, most_requests=most
    )


@functools.cache
def sign_ups() -> SignUps:
    """Sign-up of organisations."""
    from ketbase.accounts.signup import SignUps

    return SignUps(
        records(),
        account_store(),
        credentials(),
        passwords(),
        buckets(),
        clock(),
        is_open=settings().sign_up == "open",
        most_concurrent_jobs=settings().max_concurrent_jobs,
    )


@functools.cache
def first_owner() -> FirstOwner:
    """The owner who was founded with the installation."""
    from ketbase.accounts.first_owner import FirstOwner

    return FirstOwner(records(), account_store(), credentials(), passwords(), sessions(), clock())


@functools.cache
def organizations() -> Organizations:
    """The organisations."""
    from ketbase.accounts.organizations import Organizations

    return Organizations(
        records(),
        account_store(),
        key_store(),
        vault,
        clock(),
        most_concurrent_jobs=settings().max_concurrent_jobs,
        webhook_hosts=webhook_hosts(),
    )


@functools.cache
def users() -> Users:
    """The users."""
    from ketbase.accounts.users import Users

    return Users(records(), account_store(), key_store(), credentials(), sessions(), ledger(), clock())


@functools.cache
def invitations() -> Invitations:
    """The invitations."""
    from ketbase.accounts.invitations import Invitations

    address = settings().public_url.rstrip("/")
    return Invitations(
        records(),
        account_store(),
        invitation_store(),
        buckets(),
        clock(),
        public_url=address,
        most_a_day=settings().invitations_a_day,
    )


@functools.cache
def invitation_store() -> InvitationStore:
    """Where invitations lie."""
    from ketbase.accounts.invitationstore import InvitationStore

    return InvitationStore(records())


@functools.cache
def joining() -> Joining:
    """What lets in whoever was invited."""
    from ketbase.accounts.joining import Joining

    return Joining(records(), account_store(), invitation_store(), key_store(), credentials(), passwords(), clock())


@functools.cache
def erasure() -> Erasure:
    """What erases deleted organisations."""
    from ketbase.accounts.erasure import Erasure
    from ketbase.circuits.store import CircuitStore

    return Erasure(
        records(),
        blobs(),
        account_store(),
        key_store(),
        invitation_store(),
        credentials(),
        CircuitStore(records(), blobs()),
        job_store(),
        jobs(),
        deployments(),
        None if settings().vectors == "none" else state_store(),
        clock(),
        # A run that was under way is stopped by then.
        linger=timedelta(seconds=settings().job_deadline_s),
    )


@functools.cache
def circuits() -> Circuits:
    """The circuits."""
    from ketbase.circuits.service import Circuits
    from ketbase.circuits.store import CircuitStore

    return Circuits(CircuitStore(records(), blobs()), language, clock())


@functools.cache
def state_store() -> StateStore:
    """Where states lie."""
    from ketbase.states.store import StateStore

    return StateStore(records(), blobs(), vectors)


@functools.cache
def states() -> States:
    """The states."""
    from ketbase.states.service import States

    return States(state_store(), circuits(), state_vectors, clock())


@functools.cache
def state_search() -> StateSearch:
    """The search of states."""
    from ketbase.states.search import StateSearch

    return StateSearch(state_store(), circuits(), state_vectors)


@functools.cache
def model_store() -> ModelStore:
    """Where models lie."""
    from ketbase.models.store import ModelStore

    return ModelStore(records(), blobs())


@functools.cache
def prediction_prices() -> PredictionPrices:
    """What predictions cost."""
    from ketbase.models.pricing import PredictionPrices

    return PredictionPrices(prices(), settings().predict_memory_mb)


@functools.cache
def registry() -> Registry:
    """The models."""
    from ketbase.models.registry import Registry

    return Registry(model_store(), prediction_prices(), clock())


@functools.cache
def dataset_store() -> DatasetStore:
    """Where uploaded data lies."""
    from ketbase.datasets.store import DatasetStore

    return DatasetStore(records(), blobs())


@functools.cache
def datasets() -> Datasets:
    """The uploaded data sets."""
    from ketbase.datasets.service import Datasets

    return Datasets(dataset_store(), data_reader, clock(), _own_upload_link)


def _own_upload_link(key: str, seconds: int) -> str | None:
    """Make an address of the local stack to which a blob can be sent; it takes what goes into its folder only."""
    from ketbase.runtime.uploads import upload_path

    if settings().blobs != "files":
        return None
    return settings().public_url.rstrip("/") + upload_path(vault(), clock(), key, seconds)


@functools.cache
def inference() -> Inference:
    """What loads models and writes them for others."""
    from ketbase.quantum.inference.service import QuantumInference

    return QuantumInference(provider)


@functools.cache
def loaded_models() -> LoadedModels:
    """The models that this process holds ready."""
    from ketbase.models.loaded import LoadedModels

    return LoadedModels(registry(), inference)


@functools.cache
def capacity() -> Capacity:
    """What keeps functions warm for predictions."""
    chosen = settings()
    if chosen.capacity == "provisioned":
        from ketbase.adapters.capacity.provisioned import ProvisionedCapacity

        return ProvisionedCapacity(_aws("lambda"), chosen.predict_function, chosen.predict_alias)
    from ketbase.adapters.capacity.local import LocalCapacity

    return LocalCapacity(lambda organization_id, model_id: serving().prepare(organization_id, model_id))


@functools.cache
def deployments() -> Deployments:
    """What puts models into service."""
    from ketbase.models.deployments import Deployments

    return Deployments(
        records(),
        model_store(),
        registry(),
        backends(),
        account_store(),
        capacity(),
        clock(),
        max_replicas=settings().max_replicas,
        public_url=settings().public_url,
    )


@functools.cache
def serving() -> Serving:
    """The deployed models."""
    from ketbase.ledger.till import Till
    from ketbase.models.serving import Serving

    return Serving(
        records(),
        registry(),
        loaded_models(),
        Till(ledger(), records(), clock()),
        backends(),
        account_store(),
        prediction_prices(),
        prices(),
        clock(),
    )


@functools.cache
def observations() -> Observations:
    """What was counted of served models."""
    from ketbase.models.metrics import Observations

    return Observations(records(), registry(), clock())


@functools.cache
def comparisons() -> Comparisons:
    """The comparisons of served models."""
    from ketbase.models.shadowing import Comparisons

    return Comparisons(records(), registry())


@functools.cache
def cards() -> Cards:
    """The cards of models."""
    from ketbase.models.cards import Cards

    return Cards(model_store(), registry(), clock())


def card_page() -> Callable[[ModelCard], bytes]:
    """What draws cards; few functions carry it."""
    from ketbase.quantum.cards import as_html

    return as_html


@functools.cache
def exports() -> Exports:
    """Models, written for others."""
    from ketbase.models.exporting import Exports

    return Exports(registry(), inference)


@functools.cache
def ledger() -> Ledger:
    """The books."""
    from ketbase.ledger.service import Ledger
    from ketbase.money import Money

    return Ledger(records(), clock(), default_limit=Money.of(settings().default_monthly_limit))


@functools.cache
def quotes() -> Quotes:
    """What runs cost before they start."""
    from ketbase.costs.quotes import Quotes

    chosen = settings()
    return Quotes(
        prices(),
        compute_memory_mb=chosen.compute_memory_mb,
        control_memory_mb=chosen.control_memory_mb,
        lanes=lanes(),
        rates=_rates(),
    )


@functools.cache
def lanes() -> Lanes:
    """Where runs are executed here."""
    from ketbase.backends.lanes import Lane, Lanes, Limits
    from ketbase.costs.quotes import EXECUTE_S

    chosen = settings()
    limits = {Lane.FUNCTION: Limits(memory_mb=chosen.max_memory_mb, seconds=EXECUTE_S)}
    seconds = chosen.batch_seconds - _START_S
    if chosen.batch_memory_mb:
        limits[Lane.BATCH] = Limits(memory_mb=max(chosen.batch_memory_mb - _BESIDE_MB, 0), seconds=seconds)
    if chosen.batch_gpu_queue or chosen.lane == "gpu":
        limits[Lane.GPU] = Limits(memory_mb=chosen.batch_gpu_memory_mb, seconds=seconds)
    return Lanes(limits)


def _rates() -> dict[Lane, Rate]:
    """What time costs in the lanes that are no function."""
    from ketbase.backends.lanes import Lane

    chosen, table = settings(), prices()
    return {
        Lane.BATCH: lambda seconds: table.batch(seconds, chosen.batch_vcpus, chosen.batch_memory_mb),
        Lane.GPU: table.gpu,
    }


def _lane() -> Lane:
    """The lane that this process is in."""
    from ketbase.backends.lanes import Lane

    return Lane(settings().lane)


def batch_place(lane: Lane) -> dict[str, str]:
    """The queue and the job definition of a lane, where it has them."""
    from ketbase.backends.lanes import Lane

    chosen = settings()
    places = {
        Lane.BATCH: {"queue": chosen.batch_queue, "definition": chosen.batch_definition},
        Lane.GPU: {"queue": chosen.batch_gpu_queue, "definition": chosen.batch_gpu_definition},
    }
    return places.get(lane, {})


@functools.cache
def prices() -> Prices:
    """The table of prices."""
    from ketbase.costs.prices import Prices

    return Prices.load(settings().prices)


@functools.cache
def alerts() -> Alerts:
    """What watches the budgets."""
    from ketbase.costs.alerts import Alerts

    return Alerts(records(), ledger(), account_store(), clock())


@functools.cache
def budgets() -> Budgets:
    """The budgets."""
    from ketbase.costs.budgets import Budgets

    return Budgets(records(), ledger(), alerts(), account_store(), vault, clock(), webhook_hosts=webhook_hosts())


@functools.cache
def comparison() -> Comparison:
    """What runs would cost, on several backends."""
    from ketbase.costs.comparison import Comparison

    return Comparison(circuits(), backends(), quotes(), ledger())


@functools.cache
def usage() -> UsageReports:
    """What was used."""
    from ketbase.costs.usage import UsageReports

    return UsageReports(records(), clock())


@functools.cache
def statements() -> Statements:
    """The months' statements."""
    from ketbase.costs.statements import Statements

    return Statements(records(), ledger(), account_store(), clock())


def statement_page() -> Callable[[Statement], bytes]:
    """What draws a statement as PDF; in the cloud, only the function with the layer of documents can."""
    from ketbase.costs.pages import as_pdf

    return as_pdf


@functools.cache
def reconciler() -> Reconciler:
    """What compares the ledger with the jobs."""
    from ketbase.costs.reconciliation import Reconciler

    kept = timedelta(days=settings().result_days)
    return Reconciler(records(), job_store(), account_store(), clock(), jobs_kept=kept)


@functools.cache
def job_store() -> JobStore:
    """Where jobs lie."""
    from ketbase.costs.observer import CostObserver
    from ketbase.jobs.store import JobStore

    return JobStore(records(), clock(), ledger(), CostObserver(account_store(), alerts(), clock()))


@functools.cache
def jobs() -> Jobs:
    """The jobs."""
    from ketbase.jobs.service import Jobs

    return Jobs(job_store(), blobs(), workflows(), doorbell(), clock())


@functools.cache
def dispatcher() -> Dispatcher:
    """What starts waiting jobs."""
    from ketbase.jobs.dispatcher import Dispatcher

    return Dispatcher(
        job_store(),
        account_store(),
        ledger(),
        workflows(),
        clock(),
        at_most_running=settings().max_concurrent_jobs,
        at_most_in_all=settings().max_running_jobs,
    )


@functools.cache
def sweeper() -> Sweeper:
    """What repairs jobs whose run died."""
    from ketbase.jobs.sweeper import Patience, Sweeper

    chosen = settings()
    patience = Patience(
        grace=timedelta(seconds=chosen.sweep_grace_s),
        deadline=timedelta(seconds=chosen.job_deadline_s),
        training=timedelta(hours=chosen.training_hours),
        remote=timedelta(days=chosen.remote_deadline_days),
        silence=timedelta(hours=chosen.provider_silence_h),
    )
    return Sweeper(job_store(), workflows(), doorbell(), clock(), patience)


@functools.cache
def deliverer() -> Deliverer:
    """What sends notices."""
    from ketbase.notices.deliverer import Deliverer

    def opened(sealed: str) -> str:
        return vault().open(sealed)

    return Deliverer(records(), mail(), webhooks(), opened, clock(), patience=timedelta(seconds=40))


def engines() -> frozenset[EngineName]:
    """The engines that are set up here."""
    chosen = settings()
    set_up: dict[EngineName, bool] = {
        "aer": True,
        "qsim": True,
        "lightning": True,
        "cuquantum": chosen.gpu == "on" or bool(chosen.batch_gpu_queue),
        "ionq": bool(chosen.ionq_api_key.get_secret_value()),
        "ibm": bool(chosen.ibm_token.get_secret_value()),
        "braket": bool(chosen.braket_regions and chosen.braket_bucket),
    }
    return frozenset(name for name, is_set_up in set_up.items() if is_set_up)


def engines_on_gpu() -> frozenset[EngineName]:
    """Those of them that simulate on a GPU."""
    from importlib.metadata import distributions

    if settings().gpu == "off" and not settings().batch_gpu_queue:
        return frozenset()
    with_build = any(distributions(name="pennylane-lightning-gpu"))
    return frozenset({"cuquantum", "lightning"} if with_build else {"cuquantum"})


@functools.cache
def backends() -> Backends:
    """The backends."""
    from ketbase.backends.service import Backends

    return Backends(records(), job_store(), quotes(), clock(), discoveries(), engines(), on_gpu=engines_on_gpu())


@functools.cache
def intake() -> Intake:
    """What takes jobs in."""
    from ketbase.steps.intake import Intake

    return Intake(job_store(), job_files(), backends(), doorbell(), clock())


@functools.cache
def runs() -> Runs:
    """Submission of runs."""
    from ketbase.run.service import Runs

    return Runs(account_store(), circuits(), backends(), quotes(), intake())


@functools.cache
def compute_steps() -> ComputeSteps:
    """The steps of a run that need the quantum room."""
    from ketbase.costs.meter import Meter
    from ketbase.run.compute import ComputeSteps
    from ketbase.steps.ceiling import Ceiling

    chosen, lane = settings(), _lane()
    meter = Meter(prices(), chosen.memory_mb or chosen.compute_memory_mb, _rates().get(lane))
    ceiling = Ceiling(job_store(), meter, clock(), stoppable=chosen.lane != "function")
    return ComputeSteps(job_store(), job_files(), provider(), backends(), prices(), meter, ceiling, lanes(), lane)


@functools.cache
def job_files() -> JobFiles:
    """What runs keep in blobs."""
    from ketbase.steps.files import JobFiles

    return JobFiles(blobs())


@functools.cache
def breakers() -> Breakers:
    """The circuit breakers of the providers."""
    from ketbase.providers.breaker import Breakers

    return Breakers(records())


@functools.cache
def handover_steps() -> HandoverSteps:
    """The steps of a run at a provider."""
    from ketbase.costs.meter import Meter
    from ketbase.run.handover import HandoverSteps

    meter = Meter(prices(), settings().memory_mb or settings().compute_memory_mb)
    return HandoverSteps(
        job_store(), job_files(), provider(), backends(), breakers(), prices(), meter, doorbell(), clock()
    )


@functools.cache
def poller() -> Poller:
    """What asks providers for their open jobs."""
    from ketbase.providers.poller import Poller

    return Poller(job_store(), records(), provider(), breakers(), workflows(), clock())


@functools.cache
def discoveries() -> Discoveries:
    """The backends that providers told us of."""
    from ketbase.backends.discovered import Discoveries

    return Discoveries(records(), clock())


@functools.cache
def calibrations() -> CalibrationHistory:
    """The calibrations that backends had."""
    from ketbase.backends.calibrations import CalibrationHistory

    return CalibrationHistory(records(), blobs(), clock())


@functools.cache
def refresher() -> Refresher:
    """What asks providers for their backends."""
    from ketbase.providers.refresher import Refresher

    return Refresher(provider(), breakers(), discoveries(), calibrations())


@functools.cache
def failing() -> Failing:
    """What ends jobs that failed."""
    from ketbase.costs.meter import Meter
    from ketbase.steps.failing import Failing

    return Failing(job_store(), doorbell(), Meter(prices(), settings().memory_mb or settings().control_memory_mb))


@functools.cache
def optimizations() -> Optimizations:
    """Submission of optimisations."""
    from ketbase.optimize.service import Optimizations

    return Optimizations(circuits(), backends(), quotes(), intake())


@functools.cache
def optimize_steps() -> OptimizeSteps:
    """The step of an optimisation."""
    from ketbase.circuits.store import CircuitStore
    from ketbase.costs.meter import Meter
    from ketbase.optimize.steps import OptimizeSteps
    from ketbase.steps.ceiling import Ceiling

    meter = Meter(prices(), settings().memory_mb or settings().compute_memory_mb)
    return OptimizeSteps(
        job_store(),
        job_files(),
        blobs(),
        CircuitStore(records(), blobs()),
        provider(),
        backends(),
        meter,
        Ceiling(job_store(), meter, clock()),
        doorbell(),
        clock(),
    )


@functools.cache
def trainings() -> Trainings:
    """Submission of trainings."""
    from ketbase.training.service import Trainings

    return Trainings(account_store(), circuits(), datasets(), backends(), quotes(), intake())


@functools.cache
def trainer() -> Trainer:
    """What trains models."""
    from ketbase.quantum.training.trainer import QuantumTrainer

    return QuantumTrainer(provider(), images())


@functools.cache
def training_steps() -> TrainingSteps:
    """The steps of a training."""
    from ketbase.costs.meter import Meter
    from ketbase.steps.ceiling import Ceiling
    from ketbase.training.books import Books
    from ketbase.training.files import TrainingFiles
    from ketbase.training.steps import TrainingSteps

    meter = Meter(prices(), settings().memory_mb or settings().compute_memory_mb)
    return TrainingSteps(
        job_store(),
        job_files(),
        TrainingFiles(blobs()),
        trainer(),
        dataset_store(),
        registry(),
        backends(),
        Books(job_store(), backends(), prices(), meter),
        meter,
        Ceiling(job_store(), meter, clock()),
        doorbell(),
        stretch_s=settings().training_stretch_s,
    )


@functools.cache
def final_steps() -> FinalSteps:
    """The steps that end a run."""
    from ketbase.costs.meter import Meter
    from ketbase.run.ending import FinalSteps

    meter = Meter(prices(), settings().memory_mb or settings().control_memory_mb)
    return FinalSteps(job_store(), job_files(), backends(), calibrations(), doorbell(), meter, failing())


@functools.cache
def credentials() -> CredentialStore:
    """What users sign in with."""
    from ketbase.auth.credentials import CredentialStore

    return CredentialStore(records())


@functools.cache
def passwords() -> Passwords:
    """What hashes passwords."""
    from ketbase.auth.passwords import Passwords

    return Passwords()


@functools.cache
def sessions() -> Sessions:
    """The sessions."""
    from ketbase.auth.sessions import Sessions

    chosen = settings()
    idle, longest = timedelta(hours=chosen.session_hours), timedelta(days=chosen.session_days)
    return Sessions(records(), clock(), idle=idle, longest=longest)


@functools.cache
def signing_keys() -> SigningKeys:
    """The keys that sign access tokens."""
    from ketbase.auth.signing_keys import SigningKeys

    return SigningKeys(records(), vault, clock())


@functools.cache
def access_tokens() -> AccessTokens:
    """The access tokens."""
    from ketbase.auth.tokens import AccessTokens

    chosen = settings()
    return AccessTokens(
        signing_keys(), clock(), issuer=chosen.public_url.rstrip("/") or "ketbase", leeway_s=chosen.token_leeway_s
    )


@functools.cache
def buckets() -> Buckets:
    """How much each caller may still do."""
    from ketbase.auth.buckets import Buckets

    return Buckets(records(), clock())


@functools.cache
def admission() -> Admission:
    """Who is calling."""
    from ketbase.auth.admission import Admission

    return Admission(keys(), access_tokens, account_store(), buckets())


@functools.cache
def audit() -> Audit:
    """The audit logs."""
    from ketbase.audit.service import Audit

    return Audit(records())


@functools.cache
def audit_archive() -> Archive:
    """The archives of the audit logs."""
    from ketbase.audit.archive import Archive

    return Archive(blobs())


@functools.cache
def sealer() -> Sealer:
    """What seals the audit logs."""
    from ketbase.audit.sealer import Sealer

    return Sealer(records(), audit_archive(), clock(), keep=timedelta(days=settings().audit_days))


@functools.cache
def audit_verifier() -> Verifier:
    """What finds out whether anybody changed an audit log."""
    from ketbase.audit.verifier import Verifier

    return Verifier(records(), audit_archive(), clock())


@functools.cache
def job_purge() -> JobPurge:
    """What forgets jobs that ended long ago."""
    from ketbase.jobs.purge import JobPurge

    return JobPurge(records(), clock(), keep=timedelta(days=settings().result_days))


@functools.cache
def second_factor() -> SecondFactor:
    """What makes and checks second factors."""
    from ketbase.auth.second_factor import SecondFactor

    return SecondFactor(vault)


@functools.cache
def throttle() -> Throttle:
    """What slows down who guesses."""
    from ketbase.auth.throttle import Throttle

    return Throttle(buckets(), settings().sign_in_tries)


@functools.cache
def grants() -> Grants:
    """Signing in."""
    from ketbase.auth.grants import Grants

    return Grants(
        records(),
        clock(),
        account_store(),
        credentials(),
        passwords(),
        second_factor(),
        sessions(),
        access_tokens(),
        throttle(),
    )


@functools.cache
def own_sessions() -> OwnSessions:
    """The sessions of whoever asks."""
    from ketbase.auth.own_sessions import OwnSessions

    return OwnSessions(sessions(), access_tokens(), clock())


@functools.cache
def mfa() -> Mfa:
    """The second factor of whoever asks."""
    from ketbase.auth.mfa import Mfa

    return Mfa(records(), clock(), account_store(), credentials(), second_factor(), throttle())


@functools.cache
def password_changes() -> PasswordChanges:
    """Changes of passwords."""
    from ketbase.auth.password_changes import PasswordChanges

    return PasswordChanges(
        records(),
        clock(),
        account_store(),
        credentials(),
        passwords(),
        sessions(),
        throttle(),
        public_url=settings().public_url.rstrip("/"),
    )


@functools.cache
def key_rotation() -> KeyRotation:
    """What lets new keys sign access tokens."""
    from ketbase.auth.key_rotation import KeyRotation

    return KeyRotation(signing_keys(), clock())


@functools.cache
def identity_provider() -> IdentityProvider | None:
    """The identity provider that the settings name, if they name one."""
    chosen = settings()
    if not chosen.oidc_issuer:
        return None
    from ketbase.adapters.identity.oidc import OpenIdProvider

    return OpenIdProvider(
        clock(),
        issuer=chosen.oidc_issuer,
        client_id=chosen.oidc_client_id,
        client_secret=_secret(chosen.oidc_client_secret),
        redirect_uri=f"{chosen.public_url.rstrip('/')}/v1/auth/oidc/callback",
    )


@functools.cache
def oidc() -> Oidc:
    """Signing in with an account elsewhere."""
    from ketbase.auth.oidc import Oidc

    return Oidc(records(), clock(), identity_provider, account_store(), credentials(), key_store(), grants())


# --- The process ---


def dependencies() -> dict[str, Callable[[], None]]:
    """The checks of everything outside that this installation needs, by the port's name."""
    return {
        "records": records().check,
        "blobs": blobs().check,
        "doorbell": doorbell().check,
        "workflows": workflows().check,
        **({} if settings().vectors == "none" else {"vectors": vectors().check}),
    }


def warm() -> None:
    """In Lambda, make the clients while the function starts, so that a snapshot holds them."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        records()
        blobs()


def warm_door() -> None:
    """The same for a route, with what finds out who is calling."""
    warm()
    if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
        admission()
        access_tokens()


def version() -> str:
    """The version of Ketbase."""
    return VERSION
