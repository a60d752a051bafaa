"""The port `Trainer` on the batched engine, the providers' backends, and scikit-learn."""

import io
import time
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np

from ketbase.backends.types import BackendInfo
from ketbase.circuits.types import CircuitDefinition
from ketbase.models.types import Head, Metrics, ModelSpec
from ketbase.ports.images import Images
from ketbase.ports.quantum import QuantumProvider
from ketbase.ports.training import Epoch, Finished, Prepared
from ketbase.quantum.batched.engine import Engine
from ketbase.quantum.batched.plan import plan
from ketbase.quantum.compilation import sdk_versions
from ketbase.quantum.data.preprocessing import Preprocessing
from ketbase.quantum.data.splits import Part, Parts
from ketbase.quantum.training import evaluation, kernels, preparation
from ketbase.quantum.training.checkpoints import Progress
from ketbase.quantum.training.gradients import Circuit, Exact
from ketbase.quantum.training.heads import Classification, class_weights
from ketbase.quantum.training.inputs import Floats, Inputs, Labelled, Labels
from ketbase.quantum.training.natural import natural_gradient
from ketbase.quantum.training.runners import Drawn, Runner
from ketbase.quantum.training.shifts import Shifted
from ketbase.quantum.training.variational import Task, begun, trained
from ketbase.training.checks import Fit, fitting, inexact
from ketbase.training.circuits import computed_exactly, parameters_of
from ketbase.training.estimates import DEFAULT_SHOTS
from ketbase.training.sweeps import applied
from ketbase.training.types import EpochReport, TrainingConfig, Trial, TrialResult

_AMPLITUDES = 1 << 24
"""Of the states of samples that are compared with the support vectors at a time."""
_PACKAGES = ("numpy", "scipy", "scikit-learn", "numba")


class QuantumTrainer:
    """Trains on the batched engine where outputs can be computed exactly, and on a provider's backend elsewhere."""

    def __init__(self, provider: QuantumProvider, images: Images | None = None, *, threads: int | None = None):
        """Wire the ports.

        Args:
            provider: of backends that run circuits with shots.
            images: the installation's data sets in IDX form.
            threads: of the engine; as many as there are cores, where it is not said.
        """
        self._provider = provider
        self._images = images
        self._threads = threads

    def prepare(
        self, config: TrainingConfig, definition: CircuitDefinition | None, upload: bytes | None
    ) -> Prepared:
        """Read, check and divide the data; see the port."""
        return preparation.prepare(config, definition, upload, self._images)

    def train(
        self,
        config: TrainingConfig,
        backend: BackendInfo,
        prepared: Prepared,
        trial: Trial,
        checkpoint: bytes | None,
    ) -> Iterator[Epoch]:
        """Train epoch by epoch; see the port."""
        progress = None if checkpoint is None else Progress.read(checkpoint)
        subject = _Subject(config, prepared, trial, progress, self._threads)
        if subject.config.method == "kernel":
            if not computed_exactly(backend, subject.config.shots):
                raise inexact("Kernels are", "backend")
            steps = iter(()) if progress is not None else subject.fitted()
        else:
            task = subject.task(trial, self._circuit(subject, backend))
            steps = trained(task, begun(task, subject.preprocessing.arrays()) if progress is None else progress)
        for step in steps:
            yield Epoch(step.history[-1], step.stopped_by, step.written)

    def result(self, checkpoint: bytes, trial: Trial) -> TrialResult:
        """Say how a trial ended; see the port."""
        return Progress.read(checkpoint).result(trial)

    def history(self, checkpoint: bytes) -> tuple[EpochReport, ...]:
        """Give all epochs; see the port."""
        return Progress.read(checkpoint).history

    def finish(self, config: TrainingConfig, prepared: Prepared, trial: Trial, checkpoint: bytes) -> Finished:
        """Make and evaluate the model, computed exactly on whatever backend it was trained; see the port."""
        progress = Progress.read(checkpoint)
        return _Subject(config, prepared, trial, progress, self._threads).finished(progress)

    def _circuit(self, subject: "_Subject", backend: BackendInfo) -> Circuit:
        config = subject.config
        if computed_exactly(backend, config.shots):
            return Exact(subject.engine)
        if config.optimizer == "qng":
            raise inexact("The metric of quantum natural gradient is", "backend")
        if config.gradient == "adjoint":
            raise inexact("Adjoint gradients are", "backend")
        if subject.fit.amplitudes:
            raise inexact("Circuits with amplitude encoding are", "backend")
        shots = config.shots or DEFAULT_SHOTS
        ideal = computed_exactly(backend, None)
        runner = Drawn(shots, self._threads) if ideal else Runner(self._provider, backend, shots)
        observables = subject.classification.observables
        return Shifted(subject.fit.definition, subject.parameters, subject.fit.features, observables, runner)


class _Subject:
    """What a trial trains, and on what."""

    def __init__(
        self,
        config: TrainingConfig,
        prepared: Prepared,
        trial: Trial,
        progress: Progress | None,
        threads: int | None,
    ):
        problem = prepared.problem
        self.config = applied(config, trial.changed)
        self._classes = problem.data.classes
        self._columns = problem.data.features
        given = None if config.template is not None else problem.definition
        self.fit: Fit = fitting(self.config, given, len(self._columns))
        self.parameters = parameters_of(self.fit.definition)
        self._parts: Parts = preparation.parts_of(prepared, config, trial)
        if progress is None:
            train, angles = self._parts.train, not self.fit.amplitudes
            self.preprocessing = Preprocessing.fit(train.x, self.fit.n_columns, angles=angles)
        else:
            self.preprocessing = Preprocessing.of_arrays(progress.preprocessing)
        kernel = self.config.method == "kernel"
        self._head = Head(
            readout="kernel" if kernel else self.config.readout,
            loss="cross_entropy" if kernel else self.config.loss,
            scale=1.0 if kernel else self.config.scale,
        )
        self.classification = Classification(self._head, len(self._classes), self.fit.definition.n_qubits)
        self.engine = Engine(
            plan(self.fit.definition, self.fit.features),
            self.classification.observables,
            precision=self.config.precision,
            threads=threads,
        )

    # --- Variational ---

    def task(self, trial: Trial, circuit: Circuit) -> Task:
        """Say what is to be trained."""
        return Task(
            config=self.config,
            trial=trial.number,
            parameters=self.parameters,
            circuit=circuit,
            classification=self.classification,
            train=self._labelled(self._parts.train),
            validation=self._labelled(self._parts.validation),
            weights=self._weights,
            natural=natural_gradient(self.engine) if self.config.optimizer == "qng" else None,
        )

    # --- Kernels ---

    def fitted(self) -> Iterator[Progress]:
        """Fit a kernel, in one epoch."""
        started = time.perf_counter()
        train, validation = self._labelled(self._parts.train), self._parts.validation
        states = self._states(train.inputs)
        matrix = kernels.gram(states)
        machine = kernels.fitted(matrix, train.labels, self._weights, self.config.regularization)
        columns = self.preprocessing.apply(self._parts.train.x[machine.support])
        state = {"support": columns, "dual": machine.dual, "intercept": machine.intercept}
        loss, accuracy = self._judged(self._by_kernel(matrix[:, machine.support], state), train.labels)
        val_loss = val_accuracy = None
        if len(validation.y):
            across = self._fidelities(self._labelled(validation).inputs, states[machine.support])
            val_loss, val_accuracy = self._judged(self._by_kernel(across, state), validation.y)
        report = EpochReport(
            number=1,
            loss=loss,
            accuracy=accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=self.config.learning_rate,
            seconds=time.perf_counter() - started,
        )
        nothing = np.zeros(0)
        yield Progress(nothing, nothing, state, (report,), 1, "epochs", self.preprocessing.arrays())

    def _judged(self, probabilities: Floats, labels: Labels) -> tuple[float, float]:
        losses = self._weights[labels] * evaluation.cross_entropy(probabilities, labels)
        return float(losses.mean()), float(np.mean(probabilities.argmax(axis=1) == labels))

    def _fidelities(self, inputs: Inputs, support: kernels.States) -> Floats:
        """Compare samples with the support vectors, so many at a time as memory has room for."""
        rows = max(_AMPLITUDES >> self.fit.definition.n_qubits, 1)
        some = (inputs[slice(first, first + rows)] for first in range(0, len(inputs), rows))
        return np.vstack([kernels.gram(self._states(each), support) for each in some])

    def _by_kernel(self, matrix: Floats, state: dict[str, Floats]) -> Floats:
        margins = kernels.margins(matrix, state["dual"], state["intercept"])
        return kernels.kernel_probabilities(margins, len(self._classes), self._head.scale)

    # --- The model ---

    def finished(self, progress: Progress) -> Finished:
        """Make the model of the best epoch, and measure it."""
        learnt = progress.state if self.config.method == "kernel" else {"parameters": progress.best}
        arrays = {**self.preprocessing.arrays(), **learnt}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        spec = ModelSpec(
            definition=self.fit.definition,
            features=self.fit.features,
            parameters=self.parameters,
            amplitude_encoding=self.fit.amplitudes,
            columns=self._columns,
            classes=self._classes,
            head=self._head,
            precision=self.config.precision,
        )
        parts = zip(("train", "validation", "test"), self._parts, strict=True)
        seen = {name: part for name, part in parts if len(part.y)}
        train, unseen = seen["train"], seen.get("test", seen.get("validation"))
        return Finished(
            spec=spec,
            arrays=file.getvalue(),
            metrics={name: self._measured(part, learnt) for name, part in seen.items()},
            baselines={} if unseen is None else self._baselines(train, unseen),
            n_parameters=len(self.parameters),
            sdk=sdk_versions() | {package: version(package) for package in _PACKAGES},
        )

    def _measured(self, part: Part, learnt: dict[str, Floats]) -> Metrics:
        inputs = self._labelled(part).inputs
        if self.config.method == "kernel":
            support = self._states(self._inputs(learnt["support"]))
            probabilities = self._by_kernel(self._fidelities(inputs, support), learnt)
            return evaluation.metrics(probabilities, part.y, evaluation.cross_entropy(probabilities, part.y))
        outputs = Exact(self.engine).outputs(learnt["parameters"], inputs)
        losses = self.classification.losses(outputs, part.y)
        return evaluation.metrics(self.classification.probabilities(outputs), part.y, losses)

    def _baselines(self, train: Part, unseen: Part) -> dict[str, Metrics]:
        apply = self.preprocessing.apply
        return evaluation.baselines(apply(train.x), train.y, apply(unseen.x), unseen.y)

    # --- Inputs ---

    @property
    def _weights(self) -> Floats:
        return class_weights(self.config.class_weights, self._classes, self._parts.train.y)

    def _labelled(self, part: Part) -> Labelled:
        return Labelled(self._inputs(self.preprocessing.apply(part.x)), part.y)

    def _inputs(self, columns: Floats) -> Inputs:
        return Inputs.of(columns, amplitudes_of=self.fit.definition.n_qubits if self.fit.amplitudes else None)

    def _states(self, inputs: Inputs) -> kernels.States:
        return self.engine.states(np.zeros(0), inputs.features, amplitudes=inputs.amplitudes)
