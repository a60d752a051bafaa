"""The preprocessing of a model as an ONNX graph."""

import math
from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from ketbase.models.types import ModelSpec
from ketbase.quantum.training.inputs import Floats

_OPSET = 18
_IR_VERSION = 10
"""What runtimes of 2024 and later read."""


def preprocessing(spec: ModelSpec, arrays: Mapping[str, Floats]) -> bytes:
    """Write the graph from `inputs`, shape (batch, n_raw), to `columns`, shape (batch, n_columns), in doubles.

    For amplitude encoding the columns are what becomes amplitudes; see `ketbase.quantum.training.inputs.Inputs`.
    """
    steps = [("Sub", arrays["mean"]), ("Div", arrays["std"])]
    if "components" in arrays:
        steps += [("Sub", arrays["center"]), ("MatMul", arrays["components"].T)]
    if "low" in arrays:
        steps += [("Sub", arrays["low"]), ("Mul", math.pi / (arrays["high"] - arrays["low"]))]
    nodes, constants = [], []
    at = "inputs"
    for number, (operation, values) in enumerate(steps):
        to = "columns" if number == len(steps) - 1 else f"step_{number}"
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), f"constant_{number}"))
        nodes.append(helper.make_node(operation, [at, f"constant_{number}"], [to]))
        at = to
    n_columns = len(arrays["components"]) if "components" in arrays else len(spec.columns)
    graph = helper.make_graph(
        nodes,
        "preprocessing",
        [helper.make_tensor_value_info("inputs", TensorProto.DOUBLE, ["batch", len(spec.columns)])],
        [helper.make_tensor_value_info("columns", TensorProto.DOUBLE, ["batch", n_columns])],
        constants,
    )
    model = helper.make_model(
        graph,
        producer_name="ketbase",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
