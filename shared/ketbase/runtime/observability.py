"""Structured logs, metrics and traces, through Powertools."""

import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Protocol

from aws_lambda_powertools import Logger

LOG = "logs/ketbase.jsonl"
"""Where all processes of the local stack write their log, in the data folder."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request or the event that is being served."""


_log_handler: logging.Handler | None = None


def log_to(path: Path) -> None:
    """Append this process's log to a file instead of standard output; before the first line."""
    global _log_handler
    path.parent.mkdir(parents=True, exist_ok=True)
    _log_handler = WatchedFileHandler(path)


@functools.cache
def logger() -> Logger:
    """The process's logger: one JSON line an entry."""
    return Logger(service="ketbase", log_uncaught_exceptions=False, utc=True, logger_handler=_log_handler)


def log(message: str, **fields: Any) -> None:
    """Write one line, with the id of the request beside it."""
    logger().info(message, extra={"request_id": request_id.get(), **fields})


def log_exception(message: str, **fields: Any) -> None:
    """Write one line with the exception that is being handled."""
    logger().exception(message, extra={"request_id": request_id.get(), **fields})


class Meter(Protocol):
    """Takes measurements: CloudWatch in the cloud, Prometheus on one machine."""

    def __call__(self, name: str, value: float, unit: str, /, **dimensions: str) -> None:
        """Take one measurement, such as `("RequestDuration", 12.5, "Milliseconds", domain="circuits")`."""


def _embedded_metrics(name: str, value: float, unit: str, /, **dimensions: str) -> None:
    from aws_lambda_powertools.metrics import MetricUnit, single_metric

    with single_metric(name=name, unit=MetricUnit(unit), value=value, namespace="Ketbase") as metric:
        for dimension, label in dimensions.items():
            metric.add_dimension(name=dimension, value=label)


_meter: Meter = _embedded_metrics


def measure_with(meter: Meter) -> None:
    """Send all measurements of this process to `meter`."""
    global _meter
    _meter = meter


def measure(name: str, value: float, unit: str = "Count", **dimensions: str) -> None:
    """Take one measurement."""
    _meter(name, value, unit, **dimensions)


def traced[**P, R](handler: Callable[P, R]) -> Callable[P, R]:
    """Trace each call of a Lambda handler and the AWS calls under it; outside Lambda this is `handler`."""
    import os

    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ or os.environ.get("POWERTOOLS_TRACE_DISABLED"):
        return handler
    from aws_lambda_powertools import Tracer

    wrapped: Callable[P, R] = Tracer(service="ketbase", patch_modules=("botocore",)).capture_lambda_handler(
        handler, capture_response=False
    )
    return wrapped
