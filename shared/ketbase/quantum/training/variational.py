"""Trains the parameters of a circuit, epoch by epoch.

An epoch is a function of where the one before it ended: all that is drawn in it comes from the seed, the trial and
the number of the epoch.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ketbase.errors import ExecutionError, InvalidCircuitError
from ketbase.quantum.training import optimizers
from ketbase.quantum.training.checkpoints import Progress
from ketbase.quantum.training.conversations import Answer, Conversation
from ketbase.quantum.training.gradients import Circuit, simultaneous
from ketbase.quantum.training.heads import Classification
from ketbase.quantum.training.inputs import Floats, Labelled, Labels, Rows
from ketbase.training.types import EarlyStopping, EpochReport, StopReason, TrainingConfig

type Natural = Callable[[Floats, Labelled, Floats], Floats]
"""Divides a gradient at some parameters by the metric of the states of some samples there."""

_SPREAD = 0.1
"""The standard deviation of parameters that are drawn, in radians."""


@dataclass(frozen=True)
class Task:
    """What one trial is to do.

    Attributes:
        config: with what the trial changes.
        trial: its number.
        parameters: names of what is trained, in the order of all arrays.
        circuit: that is trained.
        classification: its head.
        train: the training part.
        validation: may be empty.
        weights: of each class in the loss.
        natural: for the optimizer `qng`.
    """

    config: TrainingConfig
    trial: int
    parameters: tuple[str, ...]
    circuit: Circuit
    classification: Classification
    train: Labelled
    validation: Labelled
    weights: Floats
    natural: Natural | None = None

    def dice(self, epoch: int) -> np.random.Generator:
        """Give what is drawn from in an epoch, 0 before the first."""
        return np.random.default_rng([self.config.seed, self.trial, epoch])

    def losses(self, outputs: Floats, labels: Labels) -> Floats:
        """Give each sample's loss, with the weight of its class."""
        return self.weights[labels] * self.classification.losses(outputs, labels)

    def slopes(self, labels: Labels) -> Callable[[Floats, slice], Floats]:
        """Give what the mean of the losses of some samples changes by with their outputs."""

        def of(outputs: Floats, part: slice) -> Floats:
            weights = self.weights[labels[part]] / len(labels)
            return weights[:, None] * self.classification.slopes(outputs, labels[part])

        return of

    def right(self, outputs: Floats, labels: Labels) -> int:
        """Count the samples that are taken for what they are."""
        return int(np.sum(self.classification.probabilities(outputs).argmax(axis=1) == labels))


def begun(task: Task, preprocessing: dict[str, Floats]) -> Progress:
    """Draw the parameters that are not given."""
    drawn = task.dice(0).normal(0.0, _SPREAD, len(task.parameters))
    given = task.config.initial_parameters
    parameters = np.array([given.get(name, value) for name, value in zip(task.parameters, drawn, strict=True)])
    state = optimizers.begun(task.config.optimizer, len(parameters))
    return Progress(parameters, parameters, state, preprocessing=preprocessing)


def trained(task: Task, progress: Progress) -> Iterator[Progress]:
    """Train from where progress stands, epoch by epoch, until a reason to stop.

    Raises:
        ExecutionError: `TRAINING_DIVERGED`.
    """
    if progress.stopped_by is not None:
        return
    epochs = _stepwise if task.config.optimizer in optimizers.FIRST_ORDER else _conversing
    try:
        yield from epochs(task, progress)
    except InvalidCircuitError as problem:
        if problem.code != "INVALID_PARAMETER":
            raise
        raise _diverged(problem.message) from problem


# --- Mini-batches ---


def _stepwise(task: Task, progress: Progress) -> Iterator[Progress]:
    while progress.stopped_by is None:
        clock = _Clock(task)
        number = len(progress.history) + 1
        dice = clock.began(number)
        rate = _rate(task, number)
        parameters, state = progress.parameters, dict(progress.state)
        order = dice.permutation(len(task.train.labels))
        loss, right = 0.0, 0
        for first in range(0, len(order), task.config.batch_size):
            rows = order[first : first + task.config.batch_size]
            outputs, gradient = _estimated(task, parameters, rows, state, dice)
            change = optimizers.stepped(task.config.optimizer, gradient, rate, state, task.config.momentum)
            parameters = parameters + change
            loss += float(np.sum(task.losses(outputs, task.train.labels[rows])))
            right += task.right(outputs, task.train.labels[rows])
            _refuse_endless(number, loss, parameters)
        report = clock.report(number, loss, right, rate, parameters)
        progress = _after(task, replace(progress, parameters=parameters, state=state), report, parameters)
        yield progress


def _estimated(
    task: Task, parameters: Floats, rows: Rows, state: optimizers.State, dice: np.random.Generator
) -> tuple[Floats, Floats]:
    inputs, labels = task.train.inputs[rows], task.train.labels[rows]
    if task.config.optimizer == "spsa" or task.config.gradient == "spsa":
        shift = optimizers.perturbation(task.config.optimizer, state)
        outputs, gradient = simultaneous(
            task.circuit, parameters, inputs, lambda each: float(np.mean(task.losses(each, labels))), shift, dice
        )
    else:
        outputs, gradient = task.circuit.gradient(parameters, inputs, task.slopes(labels))
    if task.natural is not None:
        gradient = task.natural(parameters, Labelled(inputs, labels), gradient)
    return outputs, gradient


# --- The whole training part at once ---


def _conversing(task: Task, progress: Progress) -> Iterator[Progress]:
    """Answer SciPy's questions; an epoch is one answer."""
    method: Literal["cobyla", "l-bfgs-b"] = "cobyla" if task.config.optimizer == "cobyla" else "l-bfgs-b"
    values = progress.state.get("values", np.zeros(0))
    gradients = progress.state.get("gradients", np.zeros((0, len(task.parameters) if method == "l-bfgs-b" else 0)))
    start = progress.state.get("start", progress.parameters)
    conversation = Conversation(method, start, task.config.learning_rate)
    with closing(conversation):
        asked = conversation.question()
        for value, gradient in zip(values, gradients, strict=True):
            conversation.answer(Answer(float(value), gradient))
            asked = conversation.question()
        while asked is not None and progress.stopped_by is None:
            clock = _Clock(task)
            number = len(progress.history) + 1
            clock.began(number)
            outputs, gradient = _whole(task, asked, method)
            loss = float(np.sum(task.losses(outputs, task.train.labels)))
            _refuse_endless(number, loss, gradient)
            value = loss / len(outputs)
            report = clock.report(number, loss, task.right(outputs, task.train.labels), _rate(task, number), asked)
            values, gradients = np.append(values, value), np.vstack([gradients, gradient])
            conversation.answer(Answer(value, gradient))
            answered, asked = asked, conversation.question()
            state = {"start": start, "values": values, "gradients": gradients}
            progress = _after(task, replace(progress, parameters=answered, state=state), report, answered)
            if asked is None and progress.stopped_by in (None, "epochs"):
                progress = replace(progress, stopped_by="plateau")
            yield progress


def _whole(task: Task, parameters: Floats, method: str) -> tuple[Floats, Floats]:
    if method == "cobyla":
        return task.circuit.outputs(parameters, task.train.inputs), np.zeros(0)
    return task.circuit.gradient(parameters, task.train.inputs, task.slopes(task.train.labels))


# --- What ends an epoch ---


class _Clock:
    """What an epoch takes."""

    def __init__(self, task: Task):
        self._task = task
        self._started = time.perf_counter()
        self._spent = task.circuit.spent

    def began(self, number: int) -> np.random.Generator:
        dice = self._task.dice(number)
        self._task.circuit.begin(dice)
        return dice

    def report(self, number: int, loss: float, right: int, rate: float, parameters: Floats) -> EpochReport:
        task = self._task
        val_loss = val_accuracy = None
        if len(task.validation.labels):
            outputs = task.circuit.outputs(parameters, task.validation.inputs)
            val_loss = float(np.mean(task.losses(outputs, task.validation.labels)))
            val_accuracy = task.right(outputs, task.validation.labels) / len(outputs)
        spent = task.circuit.spent
        return EpochReport(
            number=number,
            loss=loss / len(task.train.labels),
            accuracy=right / len(task.train.labels),
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            learning_rate=rate,
            seconds=time.perf_counter() - self._started,
            circuits=spent.circuits - self._spent.circuits,
            shots=spent.shots - self._spent.shots,
        )


def _rate(task: Task, number: int) -> float:
    config = task.config
    return optimizers.learning_rate(config.schedule, config.learning_rate, number, config.epochs)


def _after(task: Task, progress: Progress, report: EpochReport, parameters: Floats) -> Progress:
    """Add an epoch, keep its parameters if they are the best, and see whether another follows."""
    history = (*progress.history, report)
    progress = replace(progress, history=history, stopped_by=_reason(task.config, history))
    if progress.best_epoch == 0 or _watched(report) < _watched(progress.best_report):
        progress = replace(progress, best=parameters, best_epoch=report.number)
    return progress


def _reason(config: TrainingConfig, history: tuple[EpochReport, ...]) -> StopReason | None:
    if config.target is not None:
        reached = getattr(history[-1], config.target.metric)
        sign = 1 if config.target.metric == "val_accuracy" else -1
        if reached is not None and sign * reached >= sign * config.target.value:
            return "target"
    if config.early_stopping is not None and _stands_still(config.early_stopping, history):
        return "plateau"
    return "epochs" if len(history) >= config.epochs else None


def _stands_still(stopping: EarlyStopping, history: tuple[EpochReport, ...]) -> bool:
    lowest, since = np.inf, 0
    for epoch in history:
        if _watched(epoch) < lowest - stopping.min_delta:
            lowest, since = _watched(epoch), 0
        else:
            since += 1
    return since >= stopping.patience


def _watched(epoch: EpochReport) -> float:
    return epoch.loss if epoch.val_loss is None else epoch.val_loss


def _refuse_endless(number: int, loss: float, numbers: Floats) -> None:
    if not (np.isfinite(loss) and np.isfinite(numbers).all()):
        raise _diverged(f"In epoch {number} the loss, or a parameter, is no finite number any more.")


def _diverged(problem: str) -> ExecutionError:
    return ExecutionError("TRAINING_DIVERGED", f"{problem} A smaller learning rate may help.")
