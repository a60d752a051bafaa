"""Models written for others: as OpenQASM 3, as Python files for Qiskit and PennyLane, and as ONNX."""

import re
from collections.abc import Mapping
from typing import Literal

import numpy as np

from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidCircuitError, InvalidError, TooLargeError
from ketbase.models.types import ModelSpec
from ketbase.quantum.inference import formulas
from ketbase.quantum.training.inputs import Floats

MAX_EXPORT_BYTES = 5_000_000
"""A Lambda function answers with 6 MB at most."""

_QASM_FUNCTIONS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}


def written(
    spec: ModelSpec, arrays: Mapping[str, Floats], form: Literal["qasm3", "qiskit", "pennylane", "onnx"]
) -> bytes:
    """Write a model.

    Raises:
        InvalidError: `NOT_EXPORTABLE`.
        TooLargeError: `EXPORT_TOO_LARGE`, its numbers do not fit into one answer.
    """
    match form:
        case "qasm3":
            data = qasm3(spec, arrays).encode()
        case "onnx":
            from ketbase.quantum.inference.onnx_graph import preprocessing

            data = preprocessing(spec, arrays)
        case _:
            from ketbase.quantum.inference.snippets import snippet

            data = snippet(spec, arrays, form).encode()
    if len(data) > MAX_EXPORT_BYTES:
        raise TooLargeError(
            "EXPORT_TOO_LARGE",
            f"The model takes {len(data):,} bytes as {form}; at most {MAX_EXPORT_BYTES:,} fit into an answer.",
            limit_bytes=MAX_EXPORT_BYTES,
            form=form,
        )
    return data


def qasm3(spec: ModelSpec, arrays: Mapping[str, Floats]) -> str:
    """Write the circuit, trained parameters as numbers, features as `input float[64]`.

    Raises:
        InvalidError: `NOT_EXPORTABLE`, amplitudes are prepared by no gates.
    """
    from ketbase.quantum.qasm import export

    if spec.amplitude_encoding:
        raise InvalidError(
            "NOT_EXPORTABLE",
            "The model begins in its features' amplitudes, for which OpenQASM 3 has no words; export it as qiskit "
            "or pennylane.",
            form="qasm3",
        )
    values = trained(spec, arrays)
    names = values | {feature: feature for feature in spec.features}
    # The structure is Qiskit's matter; it rounds formulas, so that each angle has a name of its own until the end.
    angles: dict[str, str] = {}

    def named(gate: Gate) -> Gate:
        own = {}
        for key, angle in gate.parameters.items():
            placeholder = f"ketbase_angle_{len(angles)}"
            own[key] = placeholder
            angles[placeholder] = formulas.written(angle, names, _QASM_FUNCTIONS)
        return gate.model_copy(update={"parameters": own})

    gates = [named(gate) for gate in spec.definition.gates]
    definition = CircuitDefinition.of_gates(spec.definition.n_qubits, gates, spec.definition.registers)
    try:
        text = export(definition.model_dump(mode="json"), 3)
    except InvalidCircuitError as error:
        raise InvalidError("NOT_EXPORTABLE", error.message, form="qasm3") from error
    text = re.sub(r"input float\[64\] ketbase_angle_\d+;\n", "", text)
    text = re.sub(r"ketbase_angle_\d+", lambda found: angles[found[0]], text)
    used = [name for name in spec.features if name in spec.definition.inputs]
    inputs = "".join(f"input float[64] {name};\n" for name in used)
    head, _, rest = text.partition('include "stdgates.inc";\n')
    return f'{head}include "stdgates.inc";\n// Features, as the model\'s preprocessing makes them.\n{inputs}{rest}'


def trained(spec: ModelSpec, arrays: Mapping[str, Floats]) -> dict[str, str]:
    """Give the text of each trained parameter's value."""
    values = arrays.get("parameters", np.zeros(0)).tolist()
    return {name: f"({value!r})" for name, value in zip(spec.parameters, values, strict=True)}
