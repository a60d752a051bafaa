"""What a pipeline step needs: a traced handler whose log lines carry the job."""

from collections.abc import Callable
from typing import Any

from ketbase.ids import new_id
from ketbase.runtime import observability, wiring

type Step = Callable[[dict[str, Any], object], dict[str, Any]]


def step(handler: Step) -> Step:
    """Make a function a pipeline step's Lambda handler."""
    wiring.warm()

    def logged(event: dict[str, Any], context: object) -> dict[str, Any]:
        observability.request_id.set(getattr(context, "aws_request_id", None) or new_id("req"))
        job = {name: event[name] for name in ("job_id", "organization_id") if name in event}
        name = handler.__module__
        try:
            answer = handler(event, context)
        except Exception:
            observability.log_exception("step failed", step=name, **job)
            raise
        observability.log("step done", step=name, **job)
        return answer

    return observability.traced(logged)
