"""The settings, read once from the environment: every variable is `KETBASE_` and a field's name."""

import functools
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Which adapter serves each port, and what it needs. The defaults need nothing but a folder.

    A secret is the value itself, or `ssm:` and a parameter's name, or `secretsmanager:` and a secret's name or ARN.

    Attributes:
        data: the folder of the embedded adapters.
        endpoint_url: where the AWS services are, if not at AWS.
        ionq_api_key: of IonQ's cloud; its backends are there where it is set.
        ionq_url: of IonQ's API, its version included.
        ibm_token: an API key of IBM Cloud for IBM Quantum; the same.
        ibm_instance: the CRN or the name of an instance there; without one, all of the account are used.
        ibm_channel: the platform, as IBM's SDK names it.
        ibm_url: of IBM Quantum's REST API, its version included, where it is not the instance's own.
        braket_regions: of AWS, with commas between, whose Braket devices are used; the same, with a bucket.
        braket_bucket: where Braket puts results; `{region}` in it stands for the device's region.
        braket_url: where Braket is, if not at AWS.
        poll_every_s: how often the local stack asks a provider for its open jobs; the cloud, as its template says.
        vectors: `none` is for an installation that keeps no vectors.
        pinecone_api_key: of a project at Pinecone.
        pinecone_cloud: where new indexes are made, `aws`, `gcp` or `azure`, in `pinecone_region`.
        pinecone_host: of the control plane, if not Pinecone's own.
        datasets_url: where images in IDX form lie, under `mnist/` and `fashion_mnist/`: a folder, or `blobs:` and
            what the keys of blobs begin with; without one, `datasets` in `data`, or `blobs:datasets/images` where
            blobs are no files.
        max_running_jobs: the most jobs of all organisations that run at one moment.
        max_concurrent_jobs: the most jobs of one organisation that run at one moment.
        job_deadline_s: a job of which a step computes in a function for longer than this is stopped by the sweeper.
        training_hours: a training that runs longer than this is stopped instead.
        training_stretch_s: after which a step of a training leaves the rest to the next one.
        remote_deadline_days: a job that is at a provider for longer than this is stopped there.
        provider_silence_h: so is one of which the provider says nothing for longer than this.
        sweep_grace_s: how long a started job may show no sign of life before the sweeper looks at it.
        max_memory_mb: what one simulation may use.
        gpu: whether what simulates has a GPU, and an Aer that is built for it.
        memory_mb: what this function has, as Lambda says; its seconds are priced by it.
        compute_memory_mb: what a function that simulates has, for estimates and outside Lambda.
        control_memory_mb: the same of the function that collects a result.
        predict_memory_mb: the same of the function that predicts.
        max_replicas: the most of those that are kept warm for one organisation.
        predict_function: the name of that function, where warm ones are provisioned, at `predict_alias`.
        lane: where this process is: a function (or a worker of the local stack), or a container of the second lane.
        batch_memory_mb: what a container of the second lane has; without it there is no second lane.
        batch_vcpus: what it has beside, and the threads that simulate there.
        batch_seconds: how long one may take.
        batch_queue: of the second lane; the local stack has one of its own, `local`.
        batch_definition: the job definition that goes with it.
        batch_gpu_queue: a queue of machines with a GPU, on which backends that use one are simulated.
        batch_gpu_definition: the job definition that goes with it.
        batch_gpu_memory_mb: what a simulation may use of such a GPU.
        default_monthly_limit: what an organisation may spend that has set no budget, in dollars.
        mail_from: the sender of mails; SES must have verified it.
        webhook_hosts: what webhooks may call, with commas between: hosts over HTTPS, or whole origins such as
            `http://127.0.0.1:9000`.
        prices: a file with the installation's own prices, where they differ from `ketbase/costs/prices.json`.
        sign_up: whether anybody may make an organisation, or only those who are in one invite others.
        max_key_rate_limit: the most requests at once that an API key may be given.
        secret: of the installation; seals what is kept. Several with commas between: the first seals, all open.
        edge_secret: what CloudFront shows with each request; where it is set, nobody else is answered.
        proxies: how many stand before the API that add to X-Forwarded-For what they see; CloudFront is one.
        public_url: where the world reaches the API; who issued a token is told by it.
        token_leeway_s: how far the clocks of two machines may be apart.
        session_hours: how long a session lives that nobody refreshes.
        session_days: how long a session lives at most.
        sign_in_tries: how many wrong passwords one place may try at once for one address, before it has to wait;
            ten times as many for all addresses together, and all places ten times as many for one address.
        invitations_a_day: how many people an organisation may invite at once, and in a day.
        oidc_issuer: the identity provider, as its tokens name it; nobody signs in there where it is empty.
        result_days: how long a job and its result are kept after its end.
        audit_days: how long a line of the audit log is kept.
        cors_origins: the web sites whose pages may call the API, such as `https://app.example.com`; several with
            commas between.
        state_machine_arn: of the machines, with `{workflow}` for the name.
    """

    model_config = SettingsConfigDict(env_prefix="KETBASE_", frozen=True, extra="ignore")

    stage: str = "local"
    data: Path = Path(".data")

    records: Literal["sqlite", "dynamodb"] = "sqlite"
    blobs: Literal["files", "s3", "cos"] = "files"
    doorbell: Literal["local", "sqs"] = "local"
    mail: Literal["files", "ses"] = "files"
    workflows: Literal["local", "stepfunctions"] = "local"
    vectors: Literal["embedded", "pinecone", "none"] = "embedded"
    capacity: Literal["local", "provisioned"] = "local"

    endpoint_url: str | None = Field(
        default=None, validation_alias=AliasChoices("KETBASE_ENDPOINT_URL", "AWS_ENDPOINT_URL")
    )
    table: str = "ketbase"
    bucket: str = "ketbase"
    queue_url: str = ""
    mail_from: str = "ketbase@localhost"
    webhook_hosts: str = "hooks.slack.com"
    state_machine_arn: str = ""

    cos_endpoint_url: str = ""
    cos_auth: Literal["hmac", "oauth"] = "hmac"
    cos_access_key_id: str = ""
    cos_secret_access_key: SecretStr = SecretStr("")
    cos_api_key: SecretStr = SecretStr("")
    cos_instance_id: str = ""
    cos_token_url: str = "https://iam.cloud.ibm.com/identity/token"  # noqa: S105

    pinecone_api_key: SecretStr = SecretStr("")
    pinecone_cloud: str = "aws"
    pinecone_region: str = "us-east-1"
    pinecone_host: str = ""

    ionq_api_key: SecretStr = SecretStr("")
    ionq_url: str = "https://api.ionq.co/v0.4"
    ibm_token: SecretStr = SecretStr("")
    ibm_instance: str = ""
    ibm_channel: str = "ibm_quantum_platform"
    ibm_url: str = ""
    braket_regions: str = ""
    braket_bucket: str = ""
    braket_url: str | None = None

    datasets_url: str = ""

    poll_every_s: int = Field(default=5, ge=1)

    max_running_jobs: int = 100
    max_concurrent_jobs: int = 10
    job_deadline_s: int = 3_600
    training_hours: float = 48
    training_stretch_s: float = Field(default=15, gt=0)
    remote_deadline_days: float = 14
    provider_silence_h: float = 24
    sweep_grace_s: int = 60
    max_memory_mb: int = 8_192
    gpu: Literal["off", "on"] = "off"

    memory_mb: int | None = Field(default=None, validation_alias="AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    compute_memory_mb: int = 3_008
    control_memory_mb: int = 1_024
    predict_memory_mb: int = 1_769
    max_replicas: int = Field(default=10, ge=0)
    predict_function: str = ""
    predict_alias: str = "live"

    lane: Literal["function", "batch", "gpu"] = "function"
    batch_memory_mb: int = Field(default=0, ge=0)
    batch_vcpus: int = Field(default=2, ge=1)
    batch_seconds: int = Field(default=14_400, ge=120)
    batch_queue: str = "local"
    batch_definition: str = "local"
    batch_gpu_queue: str = ""
    batch_gpu_definition: str = ""
    batch_gpu_memory_mb: int = 16_000

    default_monthly_limit: Decimal = Decimal(100)
    prices: Path | None = None

    bootstrap_key: SecretStr | None = None
    sign_up: Literal["open", "closed"] = "closed"
    max_key_rate_limit: int = 10_000

    secret: SecretStr | None = None
    edge_secret: SecretStr = SecretStr("")
    proxies: int = 0
    public_url: str = "http://127.0.0.1:8000"
    token_leeway_s: int = 30
    session_hours: float = 24
    session_days: float = 30
    sign_in_tries: int = 10
    invitations_a_day: int = 50
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")

    result_days: int = 90
    audit_days: int = 2_557
    cors_origins: str = ""

    @property
    def origins(self) -> tuple[str, ...]:
        """The web sites of `cors_origins`."""
        return tuple(each.strip().rstrip("/") for each in self.cors_origins.split(",") if each.strip())


@functools.cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings()
