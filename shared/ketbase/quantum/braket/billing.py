"""What tasks took, and what a device asks for them by its own description."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ketbase.money import Money
from ketbase.quantum.braket.devices import Device

TASK_FEE = Decimal("0.30")
"""Dollars for a task on any quantum computer, beside its shots; see https://aws.amazon.com/braket/pricing/."""
SHORTEST_S = Decimal(3)
"""What a task on a simulator is billed at least; the same source."""


def seconds_of(result: Mapping[str, Any]) -> float | None:
    """Return how long a task took to execute, as far as its result says."""
    metadata = result.get("additionalMetadata") or {}
    simulator, rigetti = metadata.get("simulatorMetadata") or {}, metadata.get("rigettiMetadata") or {}
    native = rigetti.get("nativeQuilMetadata") or {}
    milliseconds = simulator.get("executionDuration") or native.get("qpuRuntimeEstimation")
    return None if milliseconds is None else float(milliseconds) / 1_000


def billed(device: Device, tasks: Sequence[Mapping[str, Any]], seconds: Sequence[float | None]) -> Money | None:
    """Price completed tasks: a fee and the shots of each, or their minutes.

    Args:
        device: where they ran.
        tasks: as Braket describes them.
        seconds: how long each took.

    Returns:
        `None` where the device names no price of these kinds.
    """
    cost = device.capabilities.service.device_cost
    if cost is None:
        return None
    if cost.unit == "shot" and not device.is_simulator:
        shots = sum(task.get("numSuccessfulShots") or task["shots"] for task in tasks)
        return Money.at_least(TASK_FEE * len(tasks) + cost.price * shots)
    if cost.unit == "minute" and all(each is not None for each in seconds):
        counted = sum((max(SHORTEST_S, Decimal(str(each))) for each in seconds), Decimal())
        return Money.at_least(cost.price * counted / 60)
    return None
