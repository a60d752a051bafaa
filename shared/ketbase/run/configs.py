"""How a run's options are kept: in its job's record, but for what would make that too large."""

from ketbase.backends.experiments import Observable
from ketbase.jobs.types import Job
from ketbase.run.types import RunConfig
from ketbase.steps.files import JobFiles
from ketbase.types import Model

APART = "experiment.json"
"""The file beside the record."""
MAX_BYTES = 10_000
"""What parameter sets and observables may take in the record, as JSON. DynamoDB's records end at 400 KB, and one is
read whenever its job is looked at.
"""


class Apart(Model):
    """What lies beside the record."""

    sweep: tuple[dict[str, float], ...]
    observables: tuple[Observable, ...]


def parted(config: RunConfig) -> tuple[RunConfig, Apart | None]:
    """Part from a run's options what is too large for the record, if it is."""
    apart = Apart(sweep=config.sweep, observables=config.observables)
    if len(apart.model_dump_json()) <= MAX_BYTES:
        return config, None
    return config.model_copy(update={"sweep": (), "observables": (), "apart": True}), apart


def config_of(job: Job, files: JobFiles) -> RunConfig:
    """Read a run's options, whole."""
    config = RunConfig.model_validate(job.config)
    if not config.apart:
        return config
    apart = files.read(job.reference, APART, Apart)
    return config.model_copy(update={"sweep": apart.sweep, "observables": apart.observables, "apart": False})
