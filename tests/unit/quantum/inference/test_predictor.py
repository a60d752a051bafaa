"""A loaded model says what its circuit, preprocessing and head say, on every backend that answers at once."""

from itertools import combinations

import numpy as np
import pytest
from qiskit.quantum_info import Statevector

from ketbase.backends.catalog import backends
from ketbase.errors import InvalidError, UnavailableError
from ketbase.quantum.build import circuit_of
from ketbase.quantum.inference.service import QuantumInference
from ketbase.quantum.providers import QuantumProviders
from ketbase.quantum.simulators import AerEngine
from tests.trained import made, npz

AER = backends()["aer"]
KINDS = {
    "expectation": {},
    "squared errors": {"loss": "mse"},
    "three classes": {"n_qubits": 3, "classes": (0, 1, 4)},
    "three classes by squared errors": {"n_qubits": 3, "classes": (0, 1, 4), "loss": "mse"},
    "probabilities": {"n_qubits": 3, "classes": (0, 1, 4), "readout": "probabilities"},
    "without components": {"n_qubits": 3, "components": False},
    "amplitudes": {"amplitude_encoding": True, "n_raw": 3},
    "projected amplitudes": {"amplitude_encoding": True, "n_raw": 9, "n_qubits": 3},
    "kernel": {"readout": "kernel", "n_qubits": 3},
    "kernel of three classes": {"readout": "kernel", "n_qubits": 2, "classes": (0, 1, 4)},
}


def refuse_providers():
    raise AssertionError("an exact prediction needs no provider")


def loaded(spec, arrays, provider=refuse_providers):
    return QuantumInference(provider).load(spec, arrays)


def samples(spec, count=6):
    return np.random.default_rng(7).normal(size=(count, len(spec.columns))).tolist()


def arrays_of(data):
    import io

    return dict(np.load(io.BytesIO(data)))


def expected(spec, data, inputs):
    """Class probabilities, written down sample by sample."""
    known = arrays_of(data)
    return np.array([_expected(spec, known, np.array(sample)) for sample in inputs])


def _expected(spec, known, sample):
    state = _state(spec, known, _columns(known, sample))
    count = len(spec.classes)
    if spec.head.readout == "kernel":
        overlaps = [abs(np.vdot(_state(spec, known, row), state)) ** 2 for row in known["support"]]
        margins = known["dual"] @ overlaps + known["intercept"]
        votes, sums = np.zeros(count), np.zeros(count)
        for (i, j), margin in zip(combinations(range(count), 2), margins, strict=True):
            votes[i if margin >= 0 else j] += 1
            sums[i] += margin
            sums[j] -= margin
        scores = sums if count == 2 else votes + sums / (3 * (abs(sums) + 1))
        return np.exp(spec.head.scale * scores) / np.exp(spec.head.scale * scores).sum()
    chances = abs(state) ** 2
    if spec.head.readout == "probabilities":
        found = np.zeros(count)
        for row, chance in enumerate(chances):
            found[row % 4 % count] += chance
        return found
    z = [sum(c * (-1) ** (r >> k & 1) for r, c in enumerate(chances)) for k in range(1 if count == 2 else count)]
    each = np.array([z[0], -z[0]] if count == 2 else z)
    if spec.head.loss == "mse":
        return (1 + each) / 2 / ((1 + each) / 2).sum()
    return np.exp(4 * each) / np.exp(4 * each).sum()


def _columns(known, sample):
    columns = (sample - known["mean"]) / known["std"]
    if "components" in known:
        columns = known["components"] @ (columns - known["center"])
    if "low" in known:
        columns = np.pi * (columns - known["low"]) / (known["high"] - known["low"])
    return columns


def _state(spec, known, columns):
    values = dict(zip(spec.parameters, known["parameters"], strict=True))
    start = Statevector.from_int(0, 2**spec.definition.n_qubits)
    if spec.amplitude_encoding:
        padded = np.zeros(2**spec.definition.n_qubits)
        padded[: len(columns)] = columns
        if len(columns) < len(padded):
            padded[len(columns)] = np.sqrt(len(columns))
        start = Statevector(padded / np.linalg.norm(padded))
    else:
        values |= dict(zip(spec.features, columns, strict=True))
    circuit = circuit_of(spec.definition)
    named = {parameter: values[parameter.name] for parameter in circuit.parameters}
    return start.evolve(circuit.assign_parameters(named)).data


@pytest.mark.parametrize("kind", KINDS)
def test_exact_probabilities_are_those_of_the_circuit_and_the_head(kind):
    spec, arrays = made(**KINDS[kind])
    inputs = samples(spec)
    scores = loaded(spec, arrays).predict(inputs, AER, None, None)
    wanted = expected(spec, arrays, inputs)
    np.testing.assert_allclose(scores.probabilities, wanted, atol=1e-9)
    assert scores.classes == wanted.argmax(axis=1).tolist()
    assert (scores.circuits, scores.shots) == (0, 0)


def test_a_row_of_zeros_begins_in_the_first_amplitude():
    spec, arrays = made(amplitude_encoding=True, n_raw=4)
    known = arrays_of(arrays)
    zero, first = known["mean"], known["mean"] + known["std"] * np.array([1.0, 0, 0, 0])
    found = loaded(spec, arrays).predict([zero.tolist(), first.tolist()], AER, None, None)
    np.testing.assert_allclose(*found.probabilities, atol=1e-12)


@pytest.mark.parametrize("kind", ["expectation", "probabilities", "amplitudes", "kernel"])
def test_shots_scatter_around_the_exact_probabilities_and_repeat_with_their_seed(kind):
    spec, arrays = made(**KINDS[kind])
    model, inputs = loaded(spec, arrays), samples(spec, 4)
    many = model.predict(inputs, AER, 1_000_000, 1)
    np.testing.assert_allclose(many.probabilities, expected(spec, arrays, inputs), atol=0.03)
    few = [model.predict(inputs, AER, 10, seed).probabilities for seed in (5, 5, 6)]
    assert few[0] == few[1] != few[2]
    circuits = 4 * (7 if kind == "kernel" else 1)
    assert (many.circuits, many.shots) == (circuits, circuits * 1_000_000)


def test_shots_of_one_circuit_are_shared_by_all_that_is_read_out():
    spec, arrays = made(n_qubits=3, classes=(0, 1, 4), readout="probabilities")
    (found,) = loaded(spec, arrays).predict(samples(spec, 1), AER, 1, 3).probabilities
    assert sorted(found) == [0, 0, 1]


def test_a_noisy_device_is_simulated_with_its_noise():
    spec, arrays = made(n_qubits=2, n_layers=2)
    provider = QuantumProviders({"aer": lambda: AerEngine(max_memory_mb=500, threads=1)})
    model, inputs = loaded(spec, arrays, lambda: provider), samples(spec, 2)
    fake = backends()["fake_fez"]
    scores = model.predict(inputs, fake, 4_000, 1)
    assert (scores.circuits, scores.shots) == (2, 8_000)
    np.testing.assert_allclose(scores.probabilities, expected(spec, arrays, inputs), atol=0.2)
    assert scores.probabilities == model.predict(inputs, fake, 4_000, 1).probabilities


@pytest.mark.parametrize(
    ("kind", "changed", "count", "code"),
    [
        ("expectation", {"type": "hardware"}, 1, "UNSUPPORTED_BACKEND"),
        ("expectation", {"engine": "ionq"}, 1, "UNSUPPORTED_BACKEND"),
        ("kernel", {"type": "simulated_device"}, 1, "UNSUPPORTED_BACKEND"),
        ("expectation", {"type": "simulated_device"}, 21, "TOO_MANY_SAMPLES"),
    ],
)
def test_what_does_not_answer_while_somebody_waits_is_refused(kind, changed, count, code):
    spec, arrays = made(**KINDS[kind])
    with pytest.raises(InvalidError) as raised:
        loaded(spec, arrays, lambda: None).predict(samples(spec, count), AER.model_copy(update=changed), 10, None)
    assert raised.value.code == code


@pytest.mark.parametrize("width", [0, 2, 4])
def test_a_sample_of_another_width_is_named(width):
    spec, arrays = made()
    with pytest.raises(InvalidError) as raised:
        loaded(spec, arrays).predict([[0.0] * 3, [0.0] * width], AER, None, None)
    assert raised.value.code == "WRONG_WIDTH"
    assert raised.value.details["field"] == "inputs.1"
    assert (raised.value.details["given"], raised.value.details["expected"]) == (width, 3)


@pytest.mark.parametrize("kind", ["expectation", "amplitudes"])
def test_a_sample_beyond_all_measure_is_refused(kind):
    spec, arrays = made(**KINDS[kind])
    with pytest.raises(InvalidError) as raised:
        loaded(spec, arrays).predict([[0.0] * 3, [1e300, 0, 0]], AER, None, None)
    assert (raised.value.code, raised.value.details["field"]) == ("INVALID_INPUT", "inputs.1")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and no more", npz(mean=np.array([{}], dtype=object))])
def test_arrays_that_are_none_are_not_unpickled(data):
    spec, _ = made()
    with pytest.raises(UnavailableError) as raised:
        loaded(spec, data)
    assert raised.value.code == "ARTIFACT_DAMAGED"
