"""What a device says of itself, as far as we read it; the schemas are those of `amazon-braket-schemas`."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Read(BaseModel):
    """Part of a document that has more than we read."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class Window(_Read):
    """When a device executes what waits; hours are UTC."""

    execution_day: str
    window_start_hour: time
    window_end_hour: time


class Cost(_Read):
    """What a device costs, in dollars for each `shot` or `minute`."""

    price: Decimal
    unit: str


class Service(_Read):
    """What Braket says of the device."""

    execution_windows: tuple[Window, ...] = ()
    shots_range: tuple[int, int]
    device_cost: Cost | None = None
    device_location: str | None = None
    updated_at: datetime | None = None


class Connectivity(_Read):
    """Which qubits reach which, by their numbers."""

    fully_connected: bool = False
    connectivity_graph: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Paradigm(_Read):
    """What the device is like."""

    qubit_count: int
    native_gate_set: tuple[str, ...] = ()
    connectivity: Connectivity | None = None


class ProgramAction(_Read):
    """Which OpenQASM programs it takes."""

    supported_operations: tuple[str, ...]
    supported_pragmas: tuple[str, ...] | None = ()
    support_physical_qubits: bool | None = False
    requires_all_qubits_measurement: bool | None = False
    disabled_qubit_rewiring_supported: bool | None = False


class ProgramSetAction(_Read):
    """How many programs it takes at once, and how many shots of all of them together."""

    maximum_executables: int
    maximum_total_shots: int
    minimum_total_shots: int | None = None


class Actions(BaseModel):
    """What it does; a device that takes no OpenQASM is none of ours."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    program: ProgramAction | None = Field(default=None, alias="braket.ir.openqasm.program")
    program_set: ProgramSetAction | None = Field(default=None, alias="braket.ir.openqasm.program_set")


class Capabilities(_Read):
    """All of it.

    Attributes:
        standardized: the calibration in Braket's form, which has had three versions.
        provider: the calibration in the vendor's own form.
        device_parameters: the JSON schema of a task's parameters.
    """

    service: Service
    action: Actions
    paradigm: Paradigm
    standardized: dict[str, Any] | None = None
    provider: dict[str, Any] | None = None
    device_parameters: dict[str, Any] = Field(default_factory=dict)
