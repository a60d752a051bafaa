"""What is exported gives the served predictions, without anything of Ketbase."""

import io
import sys
import types

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from qiskit.quantum_info import Operator

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidError, TooLargeError
from ketbase.quantum import openqasm3
from ketbase.quantum.build import circuit_of
from ketbase.quantum.data.preprocessing import Preprocessing
from ketbase.quantum.inference import exports, formulas
from ketbase.quantum.inference.service import QuantumInference
from tests.trained import made, turned
from tests.unit.quantum.circuits import one_of_each
from tests.unit.quantum.inference.test_predictor import AER, KINDS, refuse_providers, samples

INFERENCE = QuantumInference(refuse_providers)


def run(source):
    """Run a file in a module of its own, in which Ketbase cannot be imported."""
    module = types.ModuleType("exported")
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "ketbase"}
    sys.modules["ketbase"] = None
    try:
        exec(compile(source, "exported.py", "exec"), module.__dict__)
    finally:
        del sys.modules["ketbase"]
        sys.modules.update(hidden)
    return module


def with_formulas():
    """A model of which every gate and function of a formula takes part."""
    spec, arrays = made(n_qubits=3, n_raw=3)
    extra = [
        turned("RX", 0, "2*theta_0 - x_1/3 + pi/2"),
        turned("P", 1, "-theta_1**2 * sin(x_0)"),
        Gate(type="RZZ", targets=(2, 0), parameters={"theta": "atan(x_2) + abs(theta_2) - 1/2"}),
        Gate(type="U", targets=(1,), parameters={"theta": "cos(x_1)", "phi": "tau/5", "lambda": "exp(-x_0)"}),
        *one_of_each().gates,
    ]
    definition = CircuitDefinition.of_gates(3, [*spec.definition.gates, *extra])
    return spec.model_copy(update={"definition": definition}), arrays


def check_snippet(spec, arrays, form):
    inputs = samples(spec, 3)
    served = INFERENCE.load(spec, arrays).predict(inputs, AER, None, None)
    module = run(INFERENCE.export(spec, arrays, form).decode())
    np.testing.assert_allclose(module.predict(inputs), served.probabilities, atol=1e-6)
    assert tuple(module.CLASSES) == spec.classes


def test_the_qiskit_file_of_every_gate_gives_the_served_predictions():
    check_snippet(*with_formulas(), "qiskit")


def test_the_pennylane_file_of_every_gate_gives_the_served_predictions():
    check_snippet(*with_formulas(), "pennylane")


@pytest.mark.parametrize("kind", KINDS)
def test_the_qiskit_file_of_every_kind_of_model_gives_the_served_predictions(kind):
    check_snippet(*made(**KINDS[kind]), "qiskit")


@pytest.mark.parametrize("kind", ["amplitudes", "kernel of three classes"])
def test_the_pennylane_file_of_encodings_and_kernels_gives_the_served_predictions(kind):
    check_snippet(*made(**KINDS[kind]), "pennylane")


@pytest.mark.verify_04
@pytest.mark.parametrize("form", ["qiskit", "pennylane"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_exported_files_of_many_models_give_the_served_predictions(form, kind, seed):
    check_snippet(*made(**KINDS[kind] | {"seed": seed, "n_layers": 2 + seed % 2}), form)


def test_numbers_are_exported_in_full_precision():
    spec, arrays = made()
    source = INFERENCE.export(spec, arrays, "qiskit").decode()
    numbers = np.load(io.BytesIO(arrays))
    for value in (*numbers["parameters"], *numbers["mean"], *numbers["low"]):
        assert repr(float(value)) in source


def test_openqasm_3_leaves_features_free_and_nothing_else():
    spec, arrays = with_formulas()
    text = INFERENCE.export(spec, arrays, "qasm3").decode()
    read = openqasm3.read(text)
    assert sorted(parameter.name for parameter in read.parameters) == ["x_0", "x_1", "x_2"]
    values = dict(zip(spec.features, (0.3, 1.2, 2.5), strict=True))
    known = values | dict(zip(spec.parameters, np.load(io.BytesIO(arrays))["parameters"], strict=True))
    original = circuit_of(spec.definition)
    bound = original.assign_parameters({each: known[each.name] for each in original.parameters})
    given = read.assign_parameters({each: values[each.name] for each in read.parameters})
    assert Operator(given).equiv(Operator(bound), atol=1e-9)


@pytest.mark.parametrize("kind", ["amplitudes", "projected amplitudes"])
def test_amplitude_encoding_cannot_be_said_in_openqasm_3(kind):
    with pytest.raises(InvalidError) as raised:
        INFERENCE.export(*made(**KINDS[kind]), "qasm3")
    assert raised.value.code == "NOT_EXPORTABLE"


def test_the_circuit_of_a_kernel_is_its_encoding():
    spec, arrays = made(readout="kernel", n_qubits=2)
    read = openqasm3.read(INFERENCE.export(spec, arrays, "qasm3").decode())
    assert sorted(parameter.name for parameter in read.parameters) == ["x_0", "x_1"]


@pytest.mark.parametrize("kind", ["expectation", "without components", "projected amplitudes"])
def test_onnx_is_the_preprocessing(kind):
    spec, arrays = made(**KINDS[kind])
    model = onnx.load_from_string(INFERENCE.export(spec, arrays, "onnx"))
    inputs = np.array(samples(spec))
    (columns,) = ReferenceEvaluator(model).run(None, {"inputs": inputs})
    wanted = Preprocessing.of_arrays(np.load(io.BytesIO(arrays))).apply(inputs)
    np.testing.assert_allclose(columns, wanted, rtol=1e-12, atol=1e-12)
    assert columns.shape[1] == model.graph.output[0].type.tensor_type.shape.dim[1].dim_value


def test_what_does_not_fit_into_an_answer_is_refused(monkeypatch):
    monkeypatch.setattr(exports, "MAX_EXPORT_BYTES", 1_000)
    with pytest.raises(TooLargeError) as raised:
        INFERENCE.export(*made(), "qiskit")
    assert raised.value.code == "EXPORT_TOO_LARGE"


@given(st.floats(-5, 5), st.floats(0.1, 5))
@settings(max_examples=50, deadline=None)
def test_a_formula_keeps_its_value_in_another_language(a, x):
    formula = "-a**2/3 + sin(a*x)**-1 * (x - 1/2) + 0.123456789012345"
    text = formulas.written(formula, {"a": f"({a!r})", "x": "x"}, {"sin": "np.sin"})
    with np.errstate(all="ignore"):
        wanted = -(a**2) / 3 + np.float64(np.sin(a * x)) ** -1 * (x - 0.5) + 0.123456789012345
        np.testing.assert_allclose(eval(text, {"np": np, "x": np.float64(x)}), wanted)
