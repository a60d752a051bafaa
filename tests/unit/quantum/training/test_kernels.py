import numpy as np
import pytest
from qiskit.quantum_info import Statevector, state_fidelity
from scipy.special import softmax
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.observables import Observables
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.build import circuit_of
from ketbase.quantum.training.kernels import fitted, gram, kernel_probabilities, margins, most_samples
from ketbase.training.circuits import features_of
from ketbase.training.templates import written_out
from ketbase.training.types import Template


def states(n_qubits: int, samples: np.ndarray) -> np.ndarray:
    definition = written_out(Template(n_qubits=n_qubits, encoding="iqp"), n_qubits, trainable=False)
    engine = Engine(
        plan(definition, features_of(definition)), Observables.of_paulis(n_qubits, [{"I" * n_qubits: 1.0}])
    )
    return engine.states(np.zeros(0), samples)


def test_entries_are_qiskits_fidelities() -> None:
    definition = written_out(Template(n_qubits=5, encoding="iqp"), 5, trainable=False)
    samples = np.random.default_rng(0).uniform(0, np.pi, (12, 5))
    theirs = [
        Statevector(circuit_of(definition).assign_parameters({f"x_{k}": value for k, value in enumerate(sample)}))
        for sample in samples
    ]
    expected = [[state_fidelity(a, b) for b in theirs] for a in theirs]
    ours = states(5, samples)
    assert gram(ours) == pytest.approx(np.array(expected), abs=1e-9)
    assert gram(ours[:4], ours[7:]) == pytest.approx(np.array(expected)[:4, 7:], abs=1e-9)


def test_a_matrix_of_many_blocks_is_symmetric_with_ones_on_its_diagonal() -> None:
    samples = np.random.default_rng(1).uniform(0, np.pi, (1_100, 3))
    matrix = gram(states(3, samples))
    assert (matrix == matrix.T).all()
    assert (np.diagonal(matrix) == 1).all()
    assert matrix[1_090, 5] == pytest.approx(abs(np.vdot(*states(3, samples[[1_090, 5]]))) ** 2, abs=1e-12)


def test_a_matrix_has_the_same_bits_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(2).normal(size=(2, 1_000, 256))
    some = (drawn[0] + 1j * drawn[1]) / 16

    def with_threads(count: int) -> list[np.ndarray]:
        monkeypatch.setattr("os.process_cpu_count", lambda: count)
        with threadpool_limits(count, user_api="blas"):
            return [gram(some), gram(some[:300], some)]

    for one, three in zip(with_threads(1), with_threads(3), strict=True):
        assert (one == three).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_margins_are_those_of_the_machine_for_each_pair(n_classes: int) -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[y < n_classes][::2, :2], y[y < n_classes][::2]
    matrix = rbf_kernel(x, x, gamma=1.0)
    machine = fitted(matrix, y, np.ones(n_classes), 2.0)
    ours = margins(matrix[:, machine.support], machine.dual, machine.intercept)
    svc = SVC(C=2.0, kernel="precomputed", decision_function_shape="ovo").fit(matrix, y)
    theirs = svc.decision_function(matrix).reshape(len(x), -1) * (-1 if n_classes == 2 else 1)
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_of_ten_classes_that_is_taken_which_scikit_learn_takes() -> None:
    x, y = load_digits(return_X_y=True)
    gamma = 1 / (64 * x.var())
    matrix, across = rbf_kernel(x[:300], gamma=gamma), rbf_kernel(x[300:], x[:300], gamma=gamma)
    machine = fitted(matrix, y[:300], np.ones(10), 0.05)
    found = margins(across[:, machine.support], machine.dual, machine.intercept)
    svc = SVC(C=0.05, kernel="precomputed", break_ties=True).fit(matrix, y[:300])
    ours = kernel_probabilities(found, 10, 1.0)
    assert (ours.argmax(axis=1) == svc.predict(across)).all()
    assert ours == pytest.approx(softmax(svc.decision_function(across), axis=1), abs=1e-9)


def test_of_two_classes_the_margin_itself_is_the_score() -> None:
    found = kernel_probabilities(np.array([[0.0], [1e-9], [-2.0]]), 2, 1.0)
    assert found[:, 0] == pytest.approx([0.5, 0.5, 1 / (1 + np.exp(4))])


def test_a_weight_moves_the_margin_to_the_other_class() -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[y > 0][:, :2], y[y > 0] - 1
    matrix = rbf_kernel(x, x, gamma=1.0)

    def first(weights: list[float]) -> int:
        machine = fitted(matrix, y, np.array(weights), 1.0)
        return int((margins(matrix[:, machine.support], machine.dual, machine.intercept) > 0).sum())

    assert first([5.0, 1.0]) > first([1.0, 1.0]) > first([1.0, 5.0])


def test_probabilities_grow_with_the_margins() -> None:
    found = kernel_probabilities(np.array([[1.0, 2.0, 0.5], [1.0, 3.0, 0.5]]), 3, 1.0)
    scores = np.array([2 + 3 / 12, 1 - 0.5 / 4.5, 0 - 2.5 / 10.5])
    assert found[0] == pytest.approx(np.exp(scores) / np.exp(scores).sum())
    assert found[1, 0] > found[0, 0]
    assert found[1, 2] < found[0, 2]


def test_states_and_their_matrix_fit_into_memory() -> None:
    for n_qubits in range(1, 17):
        most = most_samples(n_qubits)
        assert most * 16 * 2**n_qubits <= 2**31
        assert 2_000 <= most <= 5_000
