"""How long a training step takes here and with the peers: the same circuits, data and gradients, in one run.

Run by `make bench-training` on an idle machine; it takes about ten minutes, in most of which JAX compiles. The step
is the gradient of all parameters of the mean squared error on ⟨Z₀⟩ over a batch of 32, in double precision: RY(x_q)
on each of 8, 12 or 16 qubits, then four layers of RY and RZ on each and a ring of CNOTs. Each contestant has a
process of its own, which makes a step before anything is timed; then they take turns, and the median counts. All
gradients must agree.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (8, 12, 16)
LAYERS = 4
BATCH = 32
ROUNDS = 9
TURN_S = 0.3
"""How long a contestant is timed at a stretch, where a step is shorter."""
ENOUGH_S = 40.0
"""A contestant that was timed for so long, and twice, takes no more turns."""
AGREE = 1e-6
TIMES_FASTEST = 2
TIMES_LIGHTNING = 100

OURS, LIGHTNING = "Ketbase", "PennyLane lightning.qubit"

type Gradient = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Task:
    """What is to be differentiated.

    Attributes:
        parameters: shape (LAYERS, n, 2): of RY, then of RZ.
        features: shape (BATCH, n).
        labels: +1 or −1, shape (BATCH,).
    """

    n: int
    parameters: np.ndarray
    features: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, n: int) -> "Task":
        dice = np.random.default_rng(n)
        return cls(
            n,
            dice.uniform(-np.pi, np.pi, (LAYERS, n, 2)),
            dice.uniform(0, np.pi, (BATCH, n)),
            dice.choice((-1.0, 1.0), BATCH),
        )


# --- The contestants ---


def ketbase(task: Task) -> Gradient:
    from ketbase.circuits.types import CircuitDefinition, Gate
    from ketbase.quantum.batched.engine import Engine
    from ketbase.quantum.batched.observables import Observables
    from ketbase.quantum.batched.plan import plan

    def turn(kind: str, qubit: int, angle: str) -> Gate:
        return Gate(type=kind, targets=(qubit,), parameters={"theta": angle})

    features = [f"x_{qubit:02}" for qubit in range(task.n)]
    gates = [turn("RY", qubit, name) for qubit, name in enumerate(features)]
    for layer in range(LAYERS):
        for qubit in range(task.n):
            gates += [turn(kind, qubit, f"t_{layer}_{qubit:02}_{kind}") for kind in ("RY", "RZ")]
        gates += [Gate(type="CNOT", targets=(qubit, (qubit + 1) % task.n)) for qubit in range(task.n)]
    circuit = plan(CircuitDefinition.of_gates(task.n, gates), features)
    engine = Engine(circuit, Observables.of_paulis(task.n, [{"I" * (task.n - 1) + "Z": 1.0}]))
    parameters = task.parameters.ravel()

    def slopes(outputs: np.ndarray, part: slice) -> np.ndarray:
        return 2 * (outputs - task.labels[part, None]) / BATCH

    return lambda: engine.gradient(parameters, task.features, slopes)[1]


def lightning(task: Task) -> Gradient:
    import pennylane as qml
    from pennylane import numpy as pnp

    @qml.qnode(qml.device("lightning.qubit", wires=task.n), diff_method="adjoint")
    def circuit(parameters: Any, features: Any) -> Any:
        for qubit in range(task.n):
            qml.RY(features[:, qubit], qubit)
        for layer in parameters:
            for qubit in range(task.n):
                qml.RY(layer[qubit, 0], qubit)
                qml.RZ(layer[qubit, 1], qubit)
            for qubit in range(task.n):
                qml.CNOT([qubit, (qubit + 1) % task.n])
        return qml.expval(qml.Z(0))

    features = pnp.array(task.features, requires_grad=False)
    parameters = pnp.array(task.parameters, requires_grad=True)
    gradient = qml.grad(lambda at: pnp.mean((circuit(at, features) - task.labels) ** 2))
    return lambda: np.asarray(gradient(parameters)).ravel()


def tensorcircuit(task: Task, *, by_state: bool) -> Gradient:
    """Vectorised and compiled; the output is one tensor network, or read out of the state."""
    import tensorcircuit as tc

    backend = tc.set_backend("jax")
    tc.set_dtype("complex128")
    import jax.numpy as jnp

    signs = 1.0 - 2.0 * (np.arange(2**task.n) >> (task.n - 1))

    def output(parameters: Any, features: Any) -> Any:
        circuit = tc.Circuit(task.n)
        for qubit in range(task.n):
            circuit.ry(qubit, theta=features[qubit])
        for layer in range(LAYERS):
            for qubit in range(task.n):
                circuit.ry(qubit, theta=parameters[layer, qubit, 0])
                circuit.rz(qubit, theta=parameters[layer, qubit, 1])
            for qubit in range(task.n):
                circuit.cnot(qubit, (qubit + 1) % task.n)
        if by_state:
            return jnp.sum(jnp.abs(circuit.state()) ** 2 * signs)
        return backend.real(circuit.expectation_ps(z=[0]))

    def loss(parameters: Any, features: Any, labels: Any) -> Any:
        outputs = backend.vmap(output, vectorized_argnums=1)(parameters, features)
        return jnp.mean((outputs - labels) ** 2)

    step = backend.jit(backend.grad(loss))
    arrays = [jnp.asarray(array) for array in (task.parameters, task.features, task.labels)]
    return lambda: np.asarray(step(*arrays).block_until_ready()).ravel()


def estimator(task: Task) -> Gradient:
    from qiskit.circuit import ParameterVector, QuantumCircuit
    from qiskit.primitives import StatevectorEstimator
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    features, weights = ParameterVector("x", task.n), ParameterVector("t", task.parameters.size)
    circuit = QuantumCircuit(task.n)
    names = iter(weights)
    for qubit in range(task.n):
        circuit.ry(features[qubit], qubit)
    for _ in range(LAYERS):
        for qubit in range(task.n):
            circuit.ry(next(names), qubit)
            circuit.rz(next(names), qubit)
        for qubit in range(task.n):
            circuit.cx(qubit, (qubit + 1) % task.n)
    primitive = StatevectorEstimator()
    network = EstimatorQNN(
        circuit=circuit,
        estimator=primitive,
        observables=SparsePauliOp.from_sparse_list([("Z", [0], 1.0)], task.n),
        input_params=list(features),
        weight_params=list(weights),
        gradient=ParamShiftEstimatorGradient(primitive),
        default_precision=0.0,
    )

    def gradient() -> np.ndarray:
        outputs = network.forward(task.features, task.parameters.ravel())
        _, slopes = network.backward(task.features, task.parameters.ravel())
        return 2 / BATCH * (outputs[:, 0] - task.labels) @ slopes[:, 0]

    return gradient


CONTESTANTS: dict[str, Callable[[Task], Gradient]] = {
    OURS: ketbase,
    LIGHTNING: lightning,
    "TensorCircuit-NG, network": lambda task: tensorcircuit(task, by_state=False),
    "TensorCircuit-NG, state": lambda task: tensorcircuit(task, by_state=True),
    "qiskit-machine-learning": estimator,
}
LARGEST = {"TensorCircuit-NG, state": 12, "qiskit-machine-learning": 8}
"""The most qubits that a contestant is asked for, where it would take too long, or gigabytes."""


# --- A contestant's process ---


def take_part(name: str, n: int) -> None:
    """Make ready, say how long that took, then time as many steps as each line of the input says."""
    task = Task.of(n)
    began = time.perf_counter()
    gradient = CONTESTANTS[name](task)
    found = gradient()
    say(first=time.perf_counter() - began, gradient=found.tolist())
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            began = time.perf_counter()
            gradient()
            seconds.append(time.perf_counter() - began)
        say(seconds=seconds, megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000)


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


# --- The contest ---


@dataclass
class Contestant:
    """A contestant's process, and what is known of it."""

    name: str
    process: subprocess.Popen[str]
    first: float = 0.0
    gradient: np.ndarray = field(default_factory=lambda: np.zeros(0))
    seconds: list[float] = field(default_factory=list)
    megabytes: float = 0.0

    @classmethod
    def start(cls, name: str, n: int) -> "Contestant":
        command = [sys.executable, str(Path(__file__).resolve()), name, str(n)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, text=True, **pipes)
        contestant = cls(name, process)
        answer = contestant.hear()
        contestant.first, contestant.gradient = answer["first"], np.array(answer["gradient"])
        return contestant

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def turn(self) -> None:
        if len(self.seconds) >= 2 and sum(self.seconds) > ENOUGH_S:
            return
        steps = min(max(int(TURN_S / min(self.seconds, default=TURN_S)), 1), 100)
        print(steps, file=self.process.stdin, flush=True)
        answer = self.hear()
        self.seconds += answer["seconds"]
        self.megabytes = answer["megabytes"]

    def hear(self) -> dict[str, Any]:
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.name} ended")

    def stop(self) -> None:
        self.process.communicate()


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=110)
    table = Table(title=f"A training step: {LAYERS} layers, batch of {BATCH}, complex128")
    for column in ("qubits", "", "first step", "median", "Ketbase is", "peak memory"):
        table.add_column(column, justify="left" if column == "" else "right")
    claims = []
    for n in SIZES:
        contestants = contest(n)
        ours, *peers = contestants
        for each in contestants:
            apart = np.abs(each.gradient - ours.gradient).max()
            assert apart < AGREE, f"{each.name} gives another gradient, {apart:.1e} apart"
            table.add_row(
                str(n) if each is ours else "",
                each.name,
                f"{each.first:.1f} s",
                f"{1_000 * each.median:,.2f} ms",
                "" if each is ours else f"{each.median / ours.median:,.1f} times faster",
                f"{each.megabytes:,.0f} MB",
                end_section=each is contestants[-1],
            )
        fastest = min(peers, key=lambda peer: peer.median)
        claims.append((n, fastest.name, fastest.median / ours.median, TIMES_FASTEST))
        if n == SIZES[0]:
            claims.append((n, LIGHTNING, peers[0].median / ours.median, TIMES_LIGHTNING))
    console.print(table)
    console.print(f"Load before: {LOAD[0]:.2f} on {os.process_cpu_count()} cores. First steps include compilation.")
    for n, name, times, wanted in claims:
        verdict = "holds" if times >= wanted else "[bold red]does not hold[/]"
        console.print(f"{n} qubits: {times:,.1f} times faster than {name} (at least {wanted}: {verdict})")
    if any(times < wanted for _, _, times, wanted in claims):
        raise SystemExit(1)


def contest(n: int) -> list[Contestant]:
    contestants = [Contestant.start(name, n) for name in CONTESTANTS if n <= LARGEST.get(name, n)]
    for _ in range(ROUNDS):
        for contestant in contestants:
            contestant.turn()
    for contestant in contestants:
        contestant.stop()
    return contestants


LOAD = os.getloadavg()

if __name__ == "__main__":
    if len(sys.argv) == 3:
        take_part(sys.argv[1], int(sys.argv[2]))
    else:
        main()
