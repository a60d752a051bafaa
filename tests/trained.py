"""Small models of drawn numbers, as a training hands them over."""

import io

import numpy as np

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.datasets.types import DataSummary
from ketbase.ids import new_id
from ketbase.models.registry import Trained
from ketbase.models.types import Estimate, Head, Metrics, ModelSpec, ReliabilityBin
from ketbase.money import Money
from ketbase.ports.training import Finished
from ketbase.training.types import EpochReport
from tests.fakes import ALICE


def turned(axis, qubit, angle):
    return Gate.model_validate({"type": axis, "targets": (qubit,), "parameters": {"theta": angle}})


def cnot(control, target):
    return Gate(type="CNOT", targets=(control, target))


def layers(n_qubits, n_features, n_layers=1):
    """Features as rotations about Y, then layers of RY, RZ and a ring of CNOTs."""
    yield from (turned("RY", qubit, f"x_{qubit % n_features}") for qubit in range(n_qubits))
    number = 0
    for _ in range(n_layers):
        for qubit in range(n_qubits):
            yield turned("RY", qubit, f"theta_{number}")
            yield turned("RZ", qubit, f"theta_{number + 1}")
            number += 2
        if n_qubits > 1:
            yield from (cnot(qubit, (qubit + 1) % n_qubits) for qubit in range(n_qubits))


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def estimated(value):
    return Estimate(value=value, low=max(value - 0.05, 0), high=min(value + 0.05, 1))


def measured(accuracy=0.9):
    return Metrics(
        n_samples=20,
        accuracy=estimated(accuracy),
        f1=estimated(accuracy),
        loss=estimated(0.3),
        confusion=((9, 1), (1, 9)),
        calibration_error=0.05,
        reliability=(ReliabilityBin(confidence=0.9, accuracy=0.88, count=20),),
    )


def made(
    n_qubits=2,
    n_raw=3,
    *,
    classes=("no", "yes"),
    readout="expectation",
    loss="cross_entropy",
    components=True,
    amplitude_encoding=False,
    seed=0,
    n_layers=1,
):
    """A model of drawn numbers: `ModelSpec` and the bytes of its arrays."""
    dice = np.random.default_rng(seed)
    n_columns = min(n_qubits, n_raw) if components else n_raw
    if amplitude_encoding:
        gates = [each for each in layers(n_qubits, 1, n_layers) if "x_" not in str(each.parameters)]
        n_columns = min(n_raw, 1 << n_qubits)
    else:
        gates = layers(n_qubits, n_columns, n_layers)
    definition = CircuitDefinition.of_gates(n_qubits, gates)
    if readout == "kernel":
        turns = [
            turned(axis, qubit, f"x_{qubit % n_columns}") for axis in ("RX", "RY") for qubit in range(n_qubits)
        ]
        definition = CircuitDefinition.of_gates(n_qubits, turns)
    features = tuple(f"x_{number}" for number in range(n_columns)) if not amplitude_encoding else ()
    parameters = tuple(name for name in definition.inputs if name not in features)
    arrays = {"mean": dice.normal(size=n_raw), "std": dice.uniform(0.5, 2, n_raw)}
    if n_columns < n_raw:
        arrays |= {"center": dice.normal(size=n_raw) * 0.1, "components": dice.normal(size=(n_columns, n_raw))}
    if not amplitude_encoding:
        arrays |= {"low": dice.uniform(-3, -1, n_columns), "high": dice.uniform(1, 3, n_columns)}
    arrays["parameters"] = dice.uniform(-3, 3, len(parameters))
    if readout == "kernel":
        pairs = len(classes) * (len(classes) - 1) // 2
        arrays |= {
            "support": dice.uniform(0, np.pi, (7, n_columns)),
            "dual": dice.normal(size=(pairs, 7)),
            "intercept": dice.normal(size=pairs) * 0.1,
        }
    spec = ModelSpec(
        definition=definition,
        features=features,
        parameters=parameters,
        amplitude_encoding=amplitude_encoding,
        columns=tuple(f"column {number}" for number in range(n_raw)),
        classes=classes,
        head=Head(readout=readout, loss=loss, scale=4.0),
    )
    return spec, npz(**arrays)


def trained(name="flowers", spec_and_arrays=None, **changed):
    """What a finished training hands over."""
    spec, arrays = spec_and_arrays or made()
    finished = Finished(
        spec=spec,
        arrays=arrays,
        metrics={"train": measured(0.95), "test": measured(0.9)},
        baselines={"logistic_regression": measured(0.85), "rbf_svm": measured(0.93)},
        n_parameters=len(spec.parameters),
        sdk={"numpy": "2.2.6"},
    )
    data = DataSummary(
        type="iris",
        sha256="ab" * 32,
        classes=spec.classes,
        counts={"train": (30, 30), "test": (10, 10)},
        features=spec.columns,
    )
    history = tuple(
        EpochReport(number=n, loss=1 / n, accuracy=0.5 + n / 20, val_loss=1.1 / n, learning_rate=0.05, seconds=0.1)
        for n in range(1, 6)
    )
    handed = {
        "model_id": new_id("model"),
        "user_id": ALICE.user_id,
        "name": name,
        "job_id": new_id("job"),
        "circuit_id": None,
        "finished": finished,
        "data": data,
        "history": history,
        "config": {"epochs": 5},
        "training_cost": Money.of("0.0123"),
    }
    return Trained(**handed | changed)
