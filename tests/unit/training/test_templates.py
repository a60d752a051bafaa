from typing import get_args

import numpy as np
import pennylane as qml
import pytest

from ketbase.circuits.types import CircuitDefinition
from ketbase.errors import InvalidError
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.training.circuits import features_of, parameters_of
from ketbase.training.templates import capacity, written_out
from ketbase.training.types import Ansatz, Template

N_QUBITS, LAYERS = 4, 3
FEATURES = np.array([0.3, 1.2, 2.2, 0.9])
ANSATZE = get_args(Ansatz.__value__)


def state(definition: CircuitDefinition, weights: np.ndarray) -> np.ndarray:
    """Compute the state with `theta_0 …` in their order."""
    names, features = parameters_of(definition), features_of(definition)
    observables = Observables.of_paulis(definition.n_qubits, [{"Z" + "I" * (definition.n_qubits - 1): 1.0}])
    parameters = np.array([weights.ravel()[int(name.removeprefix("theta_"))] for name in names])
    return Engine(plan(definition, features), observables).states(parameters, FEATURES[None, : len(features)])[0]


def pennylanes(*templates: qml.operation.Operation) -> np.ndarray:
    @qml.qnode(qml.device("default.qubit", wires=N_QUBITS))
    def circuit() -> object:
        for template in templates:
            qml.apply(template)
        return qml.state()

    return np.asarray(circuit()).reshape([2] * N_QUBITS).T.ravel()  # wire 0 is the most significant bit there


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return abs(np.vdot(one, other)) == pytest.approx(1, abs=1e-10)


def template(ansatz: str, **changed: object) -> Template:
    return Template(**{"ansatz": ansatz, "n_qubits": N_QUBITS, "layers": LAYERS, **changed})


def test_entangling_layers_are_pennylanes() -> None:
    with qml.QueuingManager.stop_recording():
        angles = qml.AngleEmbedding(FEATURES, range(N_QUBITS), rotation="Y")
        weights = np.random.default_rng(0).uniform(0, 6, (LAYERS, N_QUBITS, 3))
        strong = qml.StronglyEntanglingLayers(weights, range(N_QUBITS))
        basic = qml.BasicEntanglerLayers(weights[:, :, 0], range(N_QUBITS))
    ours = state(written_out(template("strongly_entangling"), N_QUBITS), weights)
    assert same(ours, pennylanes(angles, strong))
    ours = state(written_out(template("basic_entangler"), N_QUBITS), weights[:, :, 0])
    assert same(ours, pennylanes(angles, basic))


def test_iqp_is_pennylanes_on_a_line() -> None:
    with qml.QueuingManager.stop_recording():
        theirs = qml.IQPEmbedding(FEATURES, range(N_QUBITS), pattern=[[0, 1], [1, 2], [2, 3]])
    ours = written_out(template("basic_entangler", encoding="iqp"), N_QUBITS, trainable=False)
    assert same(state(ours, np.zeros(0)), pennylanes(theirs))


@pytest.mark.parametrize(
    ("ansatz", "count"),
    [("basic_entangler", 12), ("strongly_entangling", 36), ("data_reuploading", 36), ("efficient_su2", 32)],
)
def test_an_ansatz_has_its_parameters(ansatz: str, count: int) -> None:
    definition = written_out(template(ansatz), N_QUBITS)
    assert set(parameters_of(definition)) == {f"theta_{number}" for number in range(count)}
    assert features_of(definition) == ("x_0", "x_1", "x_2", "x_3")


def test_reuploading_encodes_before_each_layer() -> None:
    gates = written_out(template("data_reuploading"), N_QUBITS).gates
    encoding = [number for number, gate in enumerate(gates) if "x_0" in gate.parameters.values()]
    trained = [number for number, gate in enumerate(gates) if "theta_0" in gate.parameters.values()]
    assert len(encoding) == LAYERS
    assert encoding[0] < trained[0] < encoding[1]


@pytest.mark.parametrize("ansatz", ANSATZE)
@pytest.mark.parametrize("n_qubits", [1, 2, 3])
def test_small_registers_have_room_for_every_ansatz(ansatz: str, n_qubits: int) -> None:
    for encoding in ("angle", "iqp"):
        definition = written_out(template(ansatz, n_qubits=n_qubits, encoding=encoding), 1)
        assert features_of(definition) == ("x_0",)
        assert parameters_of(definition)


def test_fewer_features_than_qubits_are_encoded_again() -> None:
    definition = written_out(template("basic_entangler"), 3)
    assert [gate.angles[0] for gate in definition.gates[:4]] == ["x_0", "x_1", "x_2", "x_0"]


def test_features_are_in_the_order_of_their_numbers() -> None:
    definition = written_out(template("basic_entangler", n_qubits=12), 12)
    assert features_of(definition) == tuple(f"x_{number}" for number in range(12))


def test_amplitudes_take_a_feature_for_each_basis_state() -> None:
    amplitudes = template("efficient_su2", encoding="amplitude")
    assert capacity(amplitudes) == 16
    assert features_of(written_out(amplitudes, 16)) == ()
    with pytest.raises(InvalidError, match="only once"):
        written_out(template("data_reuploading", encoding="amplitude"), 16)
