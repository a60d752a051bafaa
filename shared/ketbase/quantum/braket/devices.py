"""A device of Braket's: what its answer to GetDevice means for us."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ketbase.backends.remote import GateProperties, Properties, Sighting
from ketbase.backends.types import BackendInfo
from ketbase.backends.types import Capabilities as Can
from ketbase.circuits.gates import GATES
from ketbase.quantum.braket.calibration import Figures, Pair, figures_of, microseconds
from ketbase.quantum.braket.capabilities import Capabilities, ProgramAction
from ketbase.quantum.braket.dialects import (
    Dialect,
    dialect_of,
    target_with_couplers,
    target_without_couplers,
    working,
)
from ketbase.quantum.braket.windows import opens_in
from ketbase.quantum.machines import Machine

ENGINE = "braket"
MAX_TASKS = 100
"""Of one job on a device that takes one circuit at a time."""
_MAX_SHOTS = 1_000_000
_TASKS = "QUANTUM_TASKS_QUEUE"
_PACKAGES = ("boto3",)
_PROGRAM = "braket.ir.openqasm.program"
_VENDORS = {"aqt": "AQT", "iqm": "IQM", "ionq": "IonQ", "rigetti": "Rigetti", "oqc": "OQC"}


@dataclass(frozen=True)
class Device:
    """A device that runs OpenQASM programs.

    Attributes:
        arn: its name at AWS.
        region: whose Braket it is asked at.
        status: Braket's word.
        queue: how many tasks wait for it, of everybody.
        qubits: their own numbers, ascending; from 0 where Braket chooses them.
        couplers: pairs of qubits that a gate can act on; none where every qubit reaches every other.
    """

    arn: str
    region: str
    name: str
    status: str
    queue: int | None
    capabilities: Capabilities
    program: ProgramAction
    qubits: tuple[int, ...]
    couplers: tuple[Pair, ...]
    figures: Figures | None
    dialect: Dialect

    @property
    def id(self) -> str:
        """Our id, made from the ARN alone: `braket_iqm_garnet`, `braket_sv1`."""
        return id_of(self.arn)

    @property
    def is_simulator(self) -> bool:
        """Whether it is one of Amazon's simulators."""
        return ":device/qpu/" not in self.arn

    @property
    def n_qubits(self) -> int:
        """How many qubits a circuit may have."""
        return len(self.qubits)

    def machine(self) -> Machine:
        """Describe it to the compiler."""
        if self.couplers:
            alive = working(self.dialect, self.couplers, self.figures)
            best = target_with_couplers(self.dialect, self.qubits, alive, self.figures)
            whole = target_with_couplers(self.dialect, self.qubits, self.couplers, self.figures)
            targets = (best,) if alive == self.couplers else (best, whole)
        else:
            targets = (target_without_couplers(self.dialect, self.n_qubits),)
        return Machine(
            self.id,
            self.n_qubits,
            frozenset(targets[0].operation_names),
            targets,
            None if self.figures is None else self.figures.taken_at,
            _PACKAGES,
            compiles_again=not self.dialect.verbatim and not self.is_simulator,
        )

    def info(self) -> BackendInfo:
        """Describe it to users."""
        service, programs = self.capabilities.service, self.capabilities.action.program_set
        vendor = "Amazon" if self.is_simulator else _vendor(self.arn)
        return BackendInfo(
            id=self.id,
            name=f"{vendor} {self.name} (Amazon Braket)",
            type="simulator" if self.is_simulator else "hardware",
            provider=vendor.lower(),
            engine=ENGINE,
            remote_name=self.arn,
            description=self._description(),
            capabilities=Can(
                max_qubits=self.n_qubits,
                max_shots=min(service.shots_range[1], _MAX_SHOTS),
                supported_gates=tuple(gate for gate in GATES if gate != "RESET"),
                supports_noise=not self.is_simulator,
                supports_control_flow=False,
                supports_mid_circuit_measurement=False,
                max_circuits=MAX_TASKS if programs is None else programs.maximum_executables,
            ),
            calibration=None if self.figures is None else self.figures.medians(),
        )

    def sighting(self, now: datetime) -> Sighting:
        """Say how it is doing."""
        wait = None if self.is_simulator else opens_in(self.capabilities.service.execution_windows, now)
        return Sighting(
            info=self.info(),
            # Outside of its hours a device takes tasks, and keeps them until they begin.
            available=self.status == "ONLINE",
            raw_status=self.status,
            queue_depth=self.queue,
            avg_wait_s=wait.total_seconds() if wait else None,
        )

    def properties(self) -> Properties | None:
        """Give its calibration; `None` for a simulator."""
        if self.figures is None or self.is_simulator:
            return None
        numbers = self.qubits if self.dialect.physical else sorted(self.figures.qubits) or self.qubits
        figures = {qubit: self.figures.of(qubit) for qubit in numbers}
        average = self.figures.two_qubit_error
        return Properties(
            backend=self.id,
            taken_at=self.figures.taken_at,
            qubits=tuple(
                {
                    "readout_error": figures[qubit].readout_error,
                    "t1_us": microseconds(figures[qubit].t1_s),
                    "t2_us": microseconds(figures[qubit].t2_s),
                }
                if qubit in figures
                else {}
                for qubit in range(max(numbers) + 1)
            ),
            gates=(
                *(
                    GateProperties(gate=self._single(), qubits=(qubit,), error=each.gate_error)
                    for qubit, each in figures.items()
                ),
                *(
                    GateProperties(gate=gate, qubits=pair, error=error)
                    for pair, errors in sorted(self.figures.couplers.items())
                    for gate, error in errors.items()
                ),
                *(() if average is None else (GateProperties(gate="two_qubit", qubits=(), error=average),)),
            ),
            raw={"standardized": self.capabilities.standardized, "provider": self.capabilities.provider},
        )

    def parameters(self) -> dict[str, Any] | None:
        """What asks Braket to leave the qubits where they are, for devices that have to be asked."""
        header = (
            self.capabilities.device_parameters.get("properties", {}).get("braketSchemaHeader", {}).get("const")
        )
        if not self.dialect.physical or not self.program.disabled_qubit_rewiring_supported or header is None:
            return None
        return {
            "braketSchemaHeader": header,
            "paradigmParameters": {
                "braketSchemaHeader": {"name": "braket.device_schema.gate_model_parameters", "version": "1"},
                "qubitCount": self.n_qubits,
                "disableQubitRewiring": True,
            },
        }

    def _description(self) -> str:
        service = self.capabilities.service
        if self.is_simulator:
            kind = "One of Amazon's simulators, without noise."
        else:
            place = f" in {service.device_location}" if service.device_location else ""
            kind = f"A quantum computer{place}, reached over Amazon Braket."
        if self.dialect.verbatim:
            native = ", ".join(self._native())
            written = f"Circuits are compiled here, in its native gates {native}, and run verbatim."
        elif self.dialect.physical:
            written = "Circuits are placed on its qubits here; Braket translates the gates."
        else:
            written = "Braket compiles the circuits."
        hours = "" if self.is_simulator or not service.execution_windows else f" It executes {self._hours()} (UTC)."
        return f"{kind} {written}{hours}"

    def _single(self) -> str:
        """What the error of gates on one qubit is noted under."""
        native = self._native() if self.dialect.verbatim else []
        return next((name for name in ("prx", "rx") if name in native), "one_qubit")

    def _native(self) -> list[str]:
        natives = {each.lower() for each in self.capabilities.paradigm.native_gate_set}
        return sorted(natives & {"prx", "rx", "rz", "cz", "iswap"})

    def _hours(self) -> str:
        windows = self.capabilities.service.execution_windows
        return ", ".join(
            f"{each.execution_day} {each.window_start_hour:%H:%M}–{each.window_end_hour:%H:%M}" for each in windows
        )


def id_of(arn: str) -> str:
    """Make a backend's id from a device's ARN.

    `arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3` is `braket_rigetti_ankaa_3`, and
    `arn:aws:braket:::device/quantum-simulator/amazon/sv1` is `braket_sv1`.
    """
    kind, vendor, name = arn.split(":device/", 1)[1].split("/", 2)
    parts = (vendor, name) if kind == "qpu" else (name,)
    return "_".join((ENGINE, *(re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in parts)))


def region_of(arn: str) -> str | None:
    """Return the region that an ARN names; the simulators' names none."""
    return arn.split(":")[3] or None


def device_of(answer: Mapping[str, Any], region: str) -> Device | None:
    """Read an answer to GetDevice; `None` for a device that takes no OpenQASM programs.

    Raises:
        ValueError: its description is not in the form that is documented.
    """
    arn = answer["deviceArn"]
    capabilities = _capabilities(answer["deviceCapabilities"])
    if capabilities is None or capabilities.action.program is None:
        return None
    program, paradigm = capabilities.action.program, capabilities.paradigm
    couplers = _couplers(capabilities)
    dialect = dialect_of(program, paradigm.native_gate_set, couplers)
    if dialect.physical:
        qubits = tuple(sorted({qubit for pair in couplers for qubit in pair}))
    else:
        qubits, couplers = tuple(range(paradigm.qubit_count)), ()
    return Device(
        arn=arn,
        region=region,
        name=answer["deviceName"],
        status=answer["deviceStatus"],
        queue=_queue(answer),
        capabilities=capabilities,
        program=program,
        qubits=qubits,
        couplers=couplers,
        figures=figures_of(capabilities),
        dialect=dialect,
    )


def _capabilities(text: str) -> Capabilities | None:
    document = json.loads(text)
    if _PROGRAM not in document.get("action", {}):
        return None
    return Capabilities.model_validate(document)


def _couplers(capabilities: Capabilities) -> tuple[Pair, ...]:
    connectivity = capabilities.paradigm.connectivity
    if connectivity is None or connectivity.fully_connected:
        return ()
    pairs = {
        (min(int(one), int(other)), max(int(one), int(other)))
        for one, others in connectivity.connectivity_graph.items()
        for other in others
    }
    return tuple(sorted(pairs))


def _queue(answer: Mapping[str, Any]) -> int | None:
    sizes = [
        int(each["queueSize"])
        for each in answer.get("deviceQueueInfo", ())
        if each["queue"] == _TASKS and str(each["queueSize"]).isdigit()
    ]
    return sum(sizes) if sizes else None


def _vendor(arn: str) -> str:
    name = arn.split(":device/", 1)[1].split("/")[1]
    return _VENDORS.get(name, name.capitalize())
