"""Devices as GetDevice describes them, in the forms of `amazon-braket-schemas`; their figures are made up."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
ANKAA = "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3"
CEPHEUS = "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q"
LUCY = "arn:aws:braket:eu-west-2::device/qpu/oqc/Lucy"
FORTE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-1"
IBEX = "arn:aws:braket:eu-north-1::device/qpu/aqt/Ibex-Q1"
SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1"
AQUILA = "arn:aws:braket:us-east-1::device/qpu/quera/Aquila"
ASPEN = "arn:aws:braket:us-west-1::device/qpu/rigetti/Aspen-M-3"

SIMULATOR_REGIONS = ("us-east-1", "us-west-1")
UPDATED_AT = "2026-11-20T21:04:31.777315+00:00"

_STANDARD_GATES = (
    "ccnot cnot cphaseshift cphaseshift00 cphaseshift01 cphaseshift10 cswap cy cz ecr h i iswap pswap phaseshift "
    "rx ry rz s si swap t ti v vi x xx xy y yy z zz"
)
_IONQ_GATES = "x y z rx ry rz h cnot s si t ti v vi xx yy zz swap"

GARNET_ROWS = ((1, 2), (3, 4, 5, 6, 7), (8, 9, 10, 11, 12), (13, 14, 15, 16, 17), (18, 19, 20))
_GARNET_DOWN = ((1, 4), (2, 5), *((qubit, qubit + 5) for qubit in range(3, 13)))
_GARNET_LAST = ((14, 18), (15, 19), (16, 20))
GARNET_COUPLERS = tuple(
    sorted((*(pair for row in GARNET_ROWS for pair in itertools.pairwise(row)), *_GARNET_DOWN, *_GARNET_LAST))
)

ANKAA_MISSING = 9
ANKAA_QUBITS = tuple(
    7 * row + column for row in range(4) for column in range(4) if 7 * row + column != ANKAA_MISSING
)
ANKAA_COUPLERS = tuple(
    (one, other)
    for one, other in itertools.combinations(ANKAA_QUBITS, 2)
    if other - one == 7 or (other - one == 1 and one // 7 == other // 7)
)
ANKAA_DEAD = ((1, 2), (8, 15))
"""The one has a fidelity of 0, the other none at all."""

RING = tuple((qubit, (qubit + 1) % 8) for qubit in range(8))


def describe(arn: str) -> dict[str, Any]:
    """What GetDevice answers, but for the queue."""
    name, status, capabilities = _DEVICES[arn]
    vendor = arn.split("/")[-2]
    return {
        "deviceArn": arn,
        "deviceName": name,
        "providerName": {"amazon": "Amazon Braket", "iqm": "IQM", "ionq": "IonQ"}.get(vendor, vendor.capitalize()),
        "deviceType": "SIMULATOR" if "simulator" in arn else "QPU",
        "deviceStatus": status,
        "capabilities": capabilities,
    }


def in_region(region: str) -> list[str]:
    return [arn for arn in _DEVICES if arn.split(":")[3] == region or (arn == SV1 and region in SIMULATOR_REGIONS)]


def _service(
    cost: Mapping[str, Any] | None, shots: tuple[int, int], windows: Iterable[tuple[str, str, str]]
) -> Any:
    return {
        "braketSchemaHeader": {"name": "braket.device_schema.device_service_properties", "version": "1"},
        "executionWindows": [
            {"executionDay": day, "windowStartHour": start, "windowEndHour": end} for day, start, end in windows
        ],
        "shotsRange": list(shots),
        "deviceCost": cost,
        "deviceDocumentation": {"imageUrl": "", "summary": "", "externalDocumentationUrl": ""},
        "deviceLocation": "Somewhere",
        "updatedAt": UPDATED_AT,
        "getTaskPollIntervalMillis": None,
    }


def _program(gates: str, pragmas: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    return {
        "version": ["1.0"],
        "actionType": "braket.ir.openqasm.program",
        "supportedOperations": gates.split(),
        "supportedModifiers": [],
        "supportedPragmas": [*pragmas, "braket_result_type_probability"],
        "forbiddenPragmas": ["braket_unitary_matrix"],
        "maximumQubitArrays": 1,
        "maximumClassicalArrays": 1,
        "forbiddenArrayOperations": ["concatenation", "range", "slicing"],
        "requiresAllQubitsMeasurement": False,
        "supportPhysicalQubits": False,
        "requiresContiguousQubitIndices": False,
        "supportsPartialVerbatimBox": True,
        "supportsUnassignedMeasurements": False,
        "disabledQubitRewiringSupported": False,
        "supportedResultTypes": [{"name": "Probability", "observables": None, "minShots": 1, "maxShots": 200000}],
        **more,
    }


def _program_set(executables: int, shots: int, **more: Any) -> dict[str, Any]:
    return {
        "version": ["1"],
        "actionType": "braket.ir.openqasm.program_set",
        "maximumExecutables": executables,
        "maximumTotalShots": shots,
        **more,
    }


def _actions(*actions: dict[str, Any]) -> dict[str, Any]:
    return {action["actionType"]: action for action in actions}


def _parameters(vendor: str) -> dict[str, Any]:
    header = {"name": f"braket.device_schema.{vendor}.{vendor}_device_parameters", "version": "1"}
    return {
        "type": "object",
        "properties": {
            "braketSchemaHeader": {"title": "Braketschemaheader", "default": header, "const": header},
            "paradigmParameters": {"$ref": "#/definitions/GateModelParameters"},
        },
        "required": ["paradigmParameters"],
    }


def _graph(couplers: Iterable[tuple[int, int]], *, both: bool = True) -> dict[str, list[str]]:
    graph: dict[str, list[str]] = {}
    for one, other in couplers:
        graph.setdefault(str(one), []).append(str(other))
        if both:
            graph.setdefault(str(other), []).append(str(one))
    return graph


def _paradigm(n_qubits: int, native: Iterable[str], graph: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "braketSchemaHeader": {"name": "braket.device_schema.gate_model_qpu_paradigm_properties", "version": "1"},
        "connectivity": {"fullyConnected": graph is None, "connectivityGraph": dict(graph or {})},
        "qubitCount": n_qubits,
        "nativeGateSet": list(native),
    }


def _time(seconds: float, unit: str = "S") -> dict[str, Any]:
    return {"value": seconds, "standardError": None, "unit": unit}


def _fidelity(kind: str, value: float, **more: Any) -> dict[str, Any]:
    return {"fidelityType": {"name": kind, "description": None}, "fidelity": value, "standardError": None, **more}


def _standardized(
    qubits: Iterable[int], couplers: Mapping[tuple[int, int], Mapping[str, float]], one_qubit: str, unit: str = "S"
) -> dict[str, Any]:
    """Qubit *q* has readout fidelity 0.97 + q/10,000, T1 = 30 + q µs and T2 = 10 + q µs."""
    scale = {"S": 1e-6, "us": 1.0}[unit]
    return {
        "braketSchemaHeader": {
            "name": "braket.device_schema.standardized_gate_model_qpu_device_properties",
            "version": "1",
        },
        "oneQubitProperties": {
            str(qubit): {
                "T1": _time((30 + qubit) * scale, unit),
                "T2": _time((10 + qubit) * scale, unit),
                "oneQubitFidelity": [_fidelity(one_qubit, 0.999), _fidelity("READOUT", 0.97 + qubit / 10_000)],
            }
            for qubit in qubits
        },
        "twoQubitProperties": {
            f"{one}-{other}": {
                "twoQubitGateFidelity": [
                    {
                        **_fidelity("INTERLEAVED_RANDOMIZED_BENCHMARKING", fidelity),
                        "direction": None,
                        "gateName": gate,
                    }
                    for gate, fidelity in gates.items()
                ]
            }
            for (one, other), gates in couplers.items()
        },
    }


_WEEK = (
    ("Monday", "22:00:00", "23:59:59"),
    ("Tuesday", "00:00:00", "03:59:59"),
    ("Tuesday", "07:00:00", "16:59:59"),
)
_ALWAYS = (("Everyday", "00:00:00", "23:59:59"),)


def _header(name: str, version: str = "1") -> dict[str, str]:
    return {"name": f"braket.device_schema.{name}_device_capabilities", "version": version}


_DEVICES: dict[str, tuple[str, str, dict[str, Any]]] = {
    GARNET: (
        "Garnet",
        "ONLINE",
        {
            "braketSchemaHeader": _header("iqm.iqm"),
            "service": _service({"price": 0.00145, "unit": "shot"}, (1, 200_000), _WEEK),
            "action": _actions(
                _program(f"{_STANDARD_GATES} prx cc_prx measure_ff", ["verbatim"], supportPhysicalQubits=True),
                _program_set(100, 200_000),
            ),
            "paradigm": _paradigm(20, ("cz", "prx", "cc_prx", "measure_ff"), _graph(GARNET_COUPLERS)),
            "standardized": _standardized(
                range(1, 21),
                {pair: {"CZ": 0.99} for pair in GARNET_COUPLERS},
                "SIMULTANEOUS_RANDOMIZED_BENCHMARKING",
            ),
            "provider": {
                "braketSchemaHeader": {"name": "braket.device_schema.iqm.iqm_provider_properties", "version": "1"},
                "properties": {"one_qubit": {"1": {"fRO": 0.9805}}, "two_qubit": {}},
            },
            "deviceParameters": _parameters("iqm"),
        },
    ),
    ANKAA: (
        "Ankaa-3",
        "ONLINE",
        {
            "braketSchemaHeader": _header("rigetti.rigetti", "2"),
            "service": _service({"price": 0.0009, "unit": "shot"}, (1, 50_000), _ALWAYS),
            "action": _actions(
                _program(
                    _STANDARD_GATES, ["verbatim"], supportPhysicalQubits=True, disabledQubitRewiringSupported=True
                ),
                _program_set(3, 50_000),
            ),
            # Each coupler is named once only.
            "paradigm": _paradigm(15, ("rx", "rz", "iswap"), _graph(ANKAA_COUPLERS, both=False)),
            "standardized": _standardized(
                ANKAA_QUBITS,
                {
                    pair: {"ISWAP": 0.0 if pair in ANKAA_DEAD else 0.985}
                    for pair in ANKAA_COUPLERS
                    if pair != ANKAA_DEAD[1]
                },
                "RANDOMIZED_BENCHMARKING",
                "us",
            ),
            "provider": None,
            "deviceParameters": _parameters("rigetti"),
        },
    ),
    CEPHEUS: (
        "Cepheus-1-108Q",
        "OFFLINE",
        {
            "braketSchemaHeader": _header("rigetti.rigetti", "2"),
            "service": _service({"price": 0.000425, "unit": "shot"}, (1, 50_000), _ALWAYS),
            "action": _actions(_program(_STANDARD_GATES, ["verbatim"], supportPhysicalQubits=True)),
            "paradigm": _paradigm(8, ("rx", "rz", "cz"), _graph(RING)),
            "standardized": None,
            "provider": None,
            "deviceParameters": _parameters("rigetti"),
        },
    ),
    LUCY: (
        "Lucy",
        "ONLINE",
        {
            "braketSchemaHeader": _header("oqc.oqc"),
            "service": _service({"price": 0.00035, "unit": "shot"}, (1, 20_000), _ALWAYS),
            "action": _actions(
                _program(
                    _STANDARD_GATES,
                    supportPhysicalQubits=True,
                    disabledQubitRewiringSupported=True,
                )
            ),
            "paradigm": _paradigm(8, ("ecr", "i", "rz", "v", "x"), _graph(RING)),
            "standardized": _standardized(
                range(8), {(min(pair), max(pair)): {"ECR": 0.93} for pair in RING}, "RANDOMIZED_BENCHMARKING"
            ),
            "provider": None,
            "deviceParameters": _parameters("oqc"),
        },
    ),
    FORTE: (
        "Forte 1",
        "ONLINE",
        {
            "braketSchemaHeader": _header("ionq.ionq"),
            "service": _service({"price": 0.08, "unit": "shot"}, (1, 20_000), _ALWAYS),
            "action": _actions(
                _program(
                    _IONQ_GATES,
                    ["verbatim"],
                    supportPhysicalQubits=True,
                    requiresContiguousQubitIndices=True,
                    requiresAllQubitsMeasurement=True,
                ),
                _program_set(100, 100_000),
            ),
            "paradigm": _paradigm(36, ("GPI", "GPI2", "ZZ"), None),
            "provider": {
                "braketSchemaHeader": {
                    "name": "braket.device_schema.ionq.ionq_provider_properties",
                    "version": "1",
                },
                "fidelity": {"1Q": {"mean": 0.9998}, "2Q": {"mean": 0.9946}, "spam": {"mean": 0.995}},
                "timing": {"T1": 100.0, "T2": 1.0, "1Q": 0.00011, "2Q": 0.0009, "readout": 0.0001, "reset": 2e-05},
            },
            "deviceParameters": _parameters("ionq"),
        },
    ),
    IBEX: (
        "IBEX-Q1",
        "ONLINE",
        {
            "braketSchemaHeader": _header("aqt.aqt"),
            "service": _service({"price": 0.0235, "unit": "shot"}, (1, 20_000), _WEEK),
            "action": _actions(_program(_STANDARD_GATES), _program_set(50, 2_000)),
            "paradigm": _paradigm(12, ("prx", "xx", "rz"), None),
            "standardized": {
                "braketSchemaHeader": {
                    "name": "braket.device_schema.standardized_gate_model_qpu_device_properties",
                    "version": "3",
                },
                "oneQubitProperties": {
                    str(qubit): {
                        "oneQubitFidelity": [_fidelity("RANDOMIZED_BENCHMARKING", 0.9985, unit="fraction")]
                    }
                    for qubit in range(12)
                },
                "T1": _time(1.14, "s"),
                "T2": _time(0.45, "s"),
                "readoutFidelity": [{"fidelityType": None, "fidelity": 0.997, "unit": "fraction"}],
                "twoQubitGateFidelity": [_fidelity("RANDOMIZED_BENCHMARKING", 0.987, unit="fraction")],
                "updatedAt": "2026-11-19T12:29:03Z",
            },
            "provider": {
                "properties": {
                    "single_qubit_gate_fidelity": {"0": {"value": 99.85, "uncertainty": 0.03}},
                    "mean_two_qubit_gate_fidelity": {"value": 98.7, "uncertainty": 0.2},
                    "spam_fidelity_lower_bound": 99.7,
                    "t2_coherence_time_s": {"value": 0.45, "uncertainty": 0.05},
                    "t1_s": {"value": 1.14, "uncertainty": 0.06},
                    "readout_time_micros": 2000.0,
                    "single_qubit_gate_duration_micros": 15.0,
                    "two_qubit_gate_duration_micros": 200.0,
                    "updated_at": "2026-11-19T12:29:03Z",
                }
            },
            "deviceParameters": {},
        },
    ),
    SV1: (
        "SV1",
        "ONLINE",
        {
            "braketSchemaHeader": _header("simulators.gate_model_simulator"),
            "service": _service({"price": 0.075, "unit": "minute"}, (0, 100_000), _ALWAYS),
            "action": _actions(_program(_STANDARD_GATES, requiresContiguousQubitIndices=True)),
            "paradigm": {
                "braketSchemaHeader": {
                    "name": "braket.device_schema.simulators.gate_model_simulator_paradigm_properties",
                    "version": "1",
                },
                "qubitCount": 34,
            },
            "deviceParameters": {},
        },
    ),
    AQUILA: (
        "Aquila",
        "ONLINE",
        {
            "braketSchemaHeader": _header("quera.quera"),
            "service": _service({"price": 0.01, "unit": "shot"}, (1, 1_000), _ALWAYS),
            "action": {"braket.ir.ahs.program": {"version": ["1"], "actionType": "braket.ir.ahs.program"}},
            "paradigm": {"qubitCount": 256, "lattice": {}, "rydberg": {}},
            "deviceParameters": {},
        },
    ),
    ASPEN: ("Aspen-M-3", "RETIRED", {"action": {}, "paradigm": {}, "service": {}}),
}
