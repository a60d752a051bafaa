import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from qiskit.quantum_info import Operator

from ketbase.circuits import expressions
from ketbase.circuits.types import CircuitDefinition, Gate
from ketbase.errors import InvalidCircuitError
from ketbase.quantum.build import circuit_of
from ketbase.quantum.language import QiskitLanguage

from .circuits import definitions, one_of_each, same_unitary

BELL_2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n'
BELL_3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\nh q[0];\ncx q[0], q[1];\nc = measure q;\n'

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def refusal(call: Callable[[], object]) -> InvalidCircuitError:
    with pytest.raises(InvalidCircuitError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("text", [BELL_2, BELL_3])
def test_reads_a_bell_pair_as_gates(language: QiskitLanguage, text: str) -> None:
    definition = language.parse(text)
    assert [(gate.type, gate.targets, gate.clbits) for gate in definition.gates] == [
        ("H", (0,), ()),
        ("CNOT", (0, 1), ()),
        ("MEASURE", (0,), (0,)),
        ("MEASURE", (1,), (1,)),
    ]
    assert definition.registers == (("c", 2),)
    assert definition.features == ("measurement",)
    assert (definition.depth, definition.gate_count) == (3, 2)


def test_a_text_without_version_line_is_read_as_openqasm_3(language: QiskitLanguage) -> None:
    assert language.parse(BELL_3.split("\n", 1)[1]) == language.parse(BELL_3)


@pytest.mark.parametrize("version", [2, 3])
def test_every_gate_survives_export_and_parse(language: QiskitLanguage, version: int) -> None:
    every = one_of_each()
    again = language.parse(language.export(every, version))
    assert same_unitary(every, again)


@QUICK
@given(definition=definitions())
@pytest.mark.parametrize("version", [2, 3])
def test_export_then_parse_gives_the_same_unitary(
    language: QiskitLanguage, version: int, definition: CircuitDefinition
) -> None:
    assert same_unitary(definition, language.parse(language.export(definition, version)))


@pytest.mark.parametrize("version", [2, 3])
def test_measures_resets_barriers_and_registers_survive_export_and_parse(
    language: QiskitLanguage, version: int
) -> None:
    gates = [
        Gate(type="X", targets=(2,)),
        Gate(type="MEASURE", targets=(2,), clbits=(3,)),
        Gate(type="BARRIER", targets=(0, 2)),
        Gate(type="RESET", targets=(2,)),
        Gate(type="H", targets=(2,)),
        Gate(type="MEASURE", targets=(2,), clbits=(0,)),
        Gate(type="MEASURE", targets=(0,), clbits=(1,)),
    ]
    written = CircuitDefinition.of_gates(3, gates, [("first", 1), ("second", 3)])
    assert language.parse(language.export(written, version)) == written
    assert set(written.features) == {"measurement", "mid_circuit_measurement", "reset"}


def test_free_parameters_survive_export_and_parse(language: QiskitLanguage) -> None:
    gates = [
        Gate(type="RX", targets=(0,), parameters={"theta": "2*theta_0 + pi/2"}),
        Gate(type="CP", targets=(0, 1), parameters={"lambda": "sin(x_0)**2 - exp(-theta_0)/3"}),
    ]
    written = CircuitDefinition.of_gates(2, gates)
    text = language.export(written, 3)
    again = language.parse(text)
    assert "input float[64] theta_0;" in text
    assert again.inputs == ("theta_0", "x_0")
    values = {"theta_0": 0.7, "x_0": -1.3}
    bound = [circuit_of(each).assign_parameters(values) for each in (written, again)]
    assert Operator(bound[0]).equiv(Operator(bound[1]))


@pytest.mark.parametrize(
    "formula",
    [
        "asin(a)",
        "acos(a/2)",
        "atan(a)",
        "abs(-a)",
        "log(a)",
        "2**a",
        "a**2",
        "1/a",
        "-(a - b)/(a*b)",
        "e**b + 1e-9*a",
    ],
)
def test_every_formula_keeps_its_value_over_export_and_parse(language: QiskitLanguage, formula: str) -> None:
    written = CircuitDefinition.of_gates(1, [Gate(type="RZ", targets=(0,), parameters={"theta": formula})])
    again = language.parse(language.export(written, 3))
    values = {"a": 0.3, "b": 0.7}
    expected = expressions.evaluate(formula, values)
    bound = circuit_of(again).assign_parameters({name: values[name] for name in again.inputs})
    assert float(bound.data[0].operation.params[0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["float[64]", "angle", "angle[32]", "float"])
def test_an_input_of_openqasm_3_becomes_a_free_parameter(language: QiskitLanguage, kind: str) -> None:
    text = f'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput {kind} alpha;\nqubit q;\nrx(alpha/2) q;\n'
    definition = language.parse(text)
    assert definition.inputs == ("alpha",)
    assert definition.gates[0].type == "RX"


def test_the_angles_of_a_gate_definition_keep_their_order(language: QiskitLanguage) -> None:
    text = (
        'OPENQASM 3.0;\ninclude "stdgates.inc";\ngate g(b, unused, a) q { rx(b) q; rz(a) q; }\n'
        "qubit q;\ng(0.25, 9, 0.75) q;\n"
    )
    gates = language.parse(text).gates
    assert [(gate.type, gate.angles) for gate in gates] == [("RX", (0.25,)), ("RZ", (0.75,))]


def test_a_gate_that_only_looks_standard_keeps_its_own_meaning(language: QiskitLanguage) -> None:
    text = "OPENQASM 3.0;\ngate h a { U(pi, 0, pi) a; }\nqubit q;\nh q;\n"
    assert [gate.type for gate in language.parse(text).gates] == ["U"]


def test_a_loop_with_a_known_range_is_unrolled(language: QiskitLanguage) -> None:
    text = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[4] q;\nh q[0];\nfor int i in [0:2] { cx q[i], q[i+1]; }\n'
    definition = language.parse(text)
    assert definition.format == "unified"
    assert [gate.targets for gate in definition.gates] == [(0,), (0, 1), (1, 2), (2, 3)]


def test_controlled_inverted_and_powered_gates_are_expanded(language: QiskitLanguage) -> None:
    text = (
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\n'
        "ctrl @ s q[0], q[1];\ninv @ t q[0];\npow(2) @ sx q[2];\nnegctrl @ x q[1], q[2];\n"
        "ctrl(2) @ z q[0], q[1], q[2];\n"
    )
    direct = CircuitDefinition.of_gates(
        3,
        [
            Gate(type="CP", targets=(0, 1), parameters={"lambda": 1.5707963267948966}),
            Gate(type="TDG", targets=(0,)),
            Gate(type="X", targets=(2,)),
            Gate(type="X", targets=(1,)),
            Gate(type="CNOT", targets=(1, 2)),
            Gate(type="X", targets=(1,)),
            Gate(type="CCZ", targets=(0, 1, 2)),
        ],
    )
    assert same_unitary(language.parse(text), direct)


TELEPORT = (
    'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float[64] alpha;\nqubit[3] q;\nbit[2] c;\nbit out;\n'
    "rx(alpha) q[0];\nh q[1];\ncx q[1], q[2];\ncx q[0], q[1];\nh q[0];\n"
    "c[0] = measure q[0];\nc[1] = measure q[1];\n"
    "if (c[1] == 1) { x q[2]; }\nif (c[0] == true) { z q[2]; } else { barrier q; }\nout = measure q[2];\n"
)


def test_control_flow_is_kept_as_canonical_openqasm_3(language: QiskitLanguage) -> None:
    definition = language.parse(TELEPORT)
    assert definition.format == "openqasm3"
    assert definition.inputs == ("alpha",)
    assert set(definition.features) == {"control_flow", "measurement", "mid_circuit_measurement"}
    assert [size for _, size in definition.registers] == [2, 1]
    again = language.parse(language.export(definition, 3))
    assert again == definition


def test_a_classical_condition_of_openqasm_2_is_control_flow(language: QiskitLanguage) -> None:
    definition = language.parse(BELL_2 + "if (c==3) x q[0];\n")
    assert "control_flow" in definition.features
    assert "if (c == 3)" in (definition.qasm or "")


@pytest.mark.parametrize(
    ("gates", "sentence"),
    [
        ([Gate(type="RX", targets=(0,), parameters={"theta": "a"})], "export version 3"),
        (None, "export version 3"),
    ],
)
def test_openqasm_2_says_what_it_cannot_express(
    language: QiskitLanguage, gates: list[Gate] | None, sentence: str
) -> None:
    definition = language.parse(TELEPORT) if gates is None else CircuitDefinition.of_gates(1, gates)
    refused = refusal(lambda: language.export(definition, 2))
    assert refused.code == "NOT_EXPRESSIBLE"
    assert sentence in refused.message


def test_a_parameter_named_like_a_gate_is_not_expressible(language: QiskitLanguage) -> None:
    definition = CircuitDefinition.of_gates(1, [Gate(type="RX", targets=(0,), parameters={"theta": "t"})])
    assert refusal(lambda: language.export(definition, 3)).code == "NOT_EXPRESSIBLE"


HEAD_2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
HEAD_3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (HEAD_2 + "qreg q[2];\nh q[5];", 4, "out-of-range"),
        (HEAD_2 + "qreg q[2];\nfoo q[0];", 4, "foo"),
        (HEAD_2 + "qreg q[2] h", 3, "';'"),
        (HEAD_2 + "qreg q[2];\ncx q[0],q[0];", 4, "uplicate"),
        (HEAD_2 + "qreg q[1];\nrx(1e400) q[0];", 4, "1e400"),
        (HEAD_2 + "qreg q[1];\nrx(1/0) q[0];", 4, "zero"),
        ('OPENQASM 2.0;\n\ninclude "/etc/passwd";', 3, "/etc/passwd"),
        (HEAD_3 + "qubit[2] q;\nh q[5];", 4, "out of range"),
        (HEAD_3 + "qubit[2] q;\nfoo q[0];", 4, "foo"),
        (HEAD_3 + "qubit[2 q;", 3, "'q'"),
        (HEAD_3 + "qubit[2] q;\ncx q[0], q[0];", 4, "uplicate"),
        (HEAD_3 + "qubit q;\nh(1) q;", 4, "angle"),
        (HEAD_3 + "qubit q;\nrx(1e400) q;", 4, "1e400"),
        (HEAD_3 + "qubit q;\nrx(1e300*1e300) q;", 4, "finite"),
        (HEAD_3 + "qubit q;\nrx(log(0)) q;", 4, ""),
        (HEAD_3 + "qubit q;\nrx(1/0) q;", 4, "zero"),
        (HEAD_3 + "qubit q;\nbit c;\nc = measure q;\nswitch (c) { case 1 { x q; } }", 6, "SwitchStatement"),
        (HEAD_3 + "qubit q;\n\n $", 5, "$"),
        ('OPENQASM 3.0;\ninclude "mine.inc";', 2, "mine.inc"),
        ("OPENQASM 7.0;\nqubit q;", 1, "OpenQASM 7"),
    ],
)
def test_a_mistake_is_named_with_its_line(language: QiskitLanguage, text: str, line: int, word: str) -> None:
    refused = refusal(lambda: language.parse(text))
    assert (refused.code, refused.details.get("line")) == ("INVALID_QASM", line)
    assert word in refused.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        HEAD_3,
        HEAD_2,
        HEAD_2 + "qreg q[1];\nopaque foo a;\nfoo q[0];",
        HEAD_2 + "qreg q[1];\nrx(1e300*1e300) q[0];",
        HEAD_3 + "input float[64] lambda;\nqubit q;\nrx(lambda) q;",
        "\x00\x01",
    ],
)
def test_a_text_without_a_circuit_is_invalid(language: QiskitLanguage, text: str) -> None:
    assert refusal(lambda: language.parse(text)).code == "INVALID_QASM"


@pytest.mark.parametrize(
    "text",
    [
        HEAD_2 + "qreg q[1000000000];",
        HEAD_2 + "qreg q[1]; creg c[99999999999999999999];",
        HEAD_3 + "qubit[1000000000] q;",
        HEAD_3 + "qubit[1000*1000000] q;",
        HEAD_3 + "bit[1000000000] c;",
        HEAD_3 + "x $99999999;",
        "//" + "x" * 1_000_000,
    ],
)
def test_registers_and_texts_beyond_the_limits_are_too_large(language: QiskitLanguage, text: str) -> None:
    assert refusal(lambda: language.parse(text)).code == "CIRCUIT_TOO_LARGE"


def nested(head: str, declaration: str, levels: int) -> str:
    doubled = "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}\n" for i in range(1, levels))
    return f"{head}{declaration}\ngate g0 a {{ h a; }}\n{doubled}g{levels - 1} q[0];\n"


def megabyte(head: str, declaration: str) -> str:
    text = nested(head, declaration, 27_000)
    assert 900_000 < len(text) <= 1_000_000
    return text


@pytest.mark.parametrize(
    "text",
    [
        nested(HEAD_2, "qreg q[1];", 60),
        nested(HEAD_3, "qubit[1] q;", 60),
        HEAD_3 + "qubit q;\nfor int i in [0:1000000000] { h q; }",
        HEAD_3 + "qubit q;\nfor int i in [0:999] { for int j in [0:999] { h q; } }",
        HEAD_3 + "qubit q;\nbit c;\nfor int i in [0:1000000000] { c = measure q; if (c) { break; } }",
        HEAD_3 + "qubit q;\nrx(" + "(" * 100_000 + "1" + ")" * 100_000 + ") q;",
        HEAD_2 + "qreg q[1];\nrx(" + "(" * 100_000 + "1" + ")" * 100_000 + ") q[0];",
        HEAD_3 + "qubit q;\nrx(1" + "+1" * 20_000 + ") q;",
        HEAD_3 + f"gate g {','.join(f'a{i}' for i in range(20))} {{ h a0; }}\nqubit[20] q;\n"
        f"pow(0.5) @ g {','.join(f'q[{i}]' for i in range(20))};",
    ],
    ids=["nested 2", "nested 3", "loop", "loops", "broken loop", "deep 3", "deep 2", "long sum", "huge power"],
)
def test_what_grows_beyond_the_limits_is_too_complex(language: QiskitLanguage, text: str) -> None:
    started = time.monotonic()
    assert refusal(lambda: language.parse(text)).code == "CIRCUIT_TOO_COMPLEX"
    assert time.monotonic() - started < 6.5


def has_children_after(seconds: float, language: QiskitLanguage) -> bool:
    nursery = language._sandbox._nursery
    assert nursery is not None
    listed = Path(f"/proc/{nursery.pid}/task/{nursery.pid}/children")
    end = time.monotonic() + seconds
    while listed.exists() and listed.read_text().split():
        if time.monotonic() > end:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("head", [HEAD_2, HEAD_3], ids=["openqasm 2", "openqasm 3"])
def test_a_megabyte_of_nested_definitions_is_refused_within_six_seconds(
    language: QiskitLanguage, head: str
) -> None:
    language.parse(BELL_2)
    text = megabyte(head, "qreg q[1];" if head == HEAD_2 else "qubit[1] q;")
    started = time.monotonic()
    assert refusal(lambda: language.parse(text)).code == "CIRCUIT_TOO_COMPLEX"
    assert time.monotonic() - started < 6.5
    assert not has_children_after(2, language)
    assert language.parse(BELL_2).n_qubits == 2


def test_ten_thousand_gates_are_read_and_one_more_is_not(language: QiskitLanguage) -> None:
    text = HEAD_2 + "qreg q[1];\n" + "x q[0];" * 10_000
    assert language.parse(text).gate_count == 10_000
    assert refusal(lambda: language.parse(text + "x q[0];")).details["limit"] == 10_000


def test_all_circuits_are_read_by_children_of_one_process_that_has_the_sdk(language: QiskitLanguage) -> None:
    language.parse(BELL_3)
    nursery = language._sandbox._nursery
    language.parse(BELL_2)
    assert nursery is not None
    assert nursery.poll() is None
    assert language._sandbox._nursery is nursery


def test_a_killed_nursery_is_replaced(language: QiskitLanguage) -> None:
    spoken = QiskitLanguage()
    try:
        spoken.parse(BELL_2)
        nursery = spoken._sandbox._nursery
        assert nursery is not None
        nursery.kill()
        nursery.wait()
        assert spoken.parse(BELL_2).n_qubits == 2
    finally:
        spoken.close()


def test_the_parent_never_imports_the_sdk() -> None:
    program = (
        "import sys\nfrom ketbase.quantum.language import QiskitLanguage\n"
        f"spoken = QiskitLanguage()\nassert spoken.parse({BELL_2!r}).n_qubits == 2\n"
        "heavy = {'qiskit', 'numpy', 'scipy', 'matplotlib', 'qiskit_aer'} & set(sys.modules)\n"
        "assert not heavy, heavy\nspoken.close()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_drawings_put_qubit_0_on_top_and_are_the_same_each_time(language: QiskitLanguage) -> None:
    definition = language.parse(BELL_3)
    text = language.draw(definition, "text")
    assert text.index("q_0") < text.index("q_1")
    svg = language.draw(definition, "svg")
    assert svg.startswith("<?xml")
    assert "</svg>" in svg
    assert language.draw(definition, "svg") == svg


@pytest.mark.parametrize("form", ["svg", "text"])
def test_a_drawing_with_control_flow_and_parameters_succeeds(language: QiskitLanguage, form: str) -> None:
    assert "alpha" in language.draw(language.parse(TELEPORT), form) or form == "svg"


@pytest.mark.parametrize(("form", "qubits", "most"), [("svg", 20, 250), ("text", 100, 2_000)])
def test_the_largest_drawing_succeeds_and_a_larger_one_is_refused(
    language: QiskitLanguage, form: str, qubits: int, most: int
) -> None:
    gates = [Gate(type="CNOT", targets=(i % (qubits - 1), i % (qubits - 1) + 1)) for i in range(most + 1)]
    assert language.draw(CircuitDefinition.of_gates(qubits, gates[:most]), form)
    refused = refusal(lambda: language.draw(CircuitDefinition.of_gates(qubits, gates), form))
    assert (refused.code, refused.details["limit"]) == ("CIRCUIT_TOO_COMPLEX", most)
    wide = refusal(lambda: language.draw(CircuitDefinition.of_gates(101, gates[:1]), form))
    assert "101 qubits" in wide.message
