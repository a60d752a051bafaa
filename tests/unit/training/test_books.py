"""Trials that train side by side never spend more together than their job may cost."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ketbase.money import Money
from ketbase.training.books import CONCURRENCY, Books
from ketbase.training.types import EpochReport
from tests.unit.training.scene import Scene

TRIALS = 5
LATER = Money.of("0.0003")


def report(number, seconds):
    return EpochReport(number=number, loss=0.5, accuracy=0.5, learning_rate=0.1, seconds=seconds)


class SideBySide(RuleBasedStateMachine):
    """Trials begin, report and die in any order; none takes longer than the alarm lets it."""

    folder = None

    @initialize(limit=st.sampled_from(["0.002", "0.01", "0.5"]))
    def start(self, limit):
        self.scene = Scene(self.folder.mktemp("books") / "records.db")
        sweep = {"parameters": {"learning_rate": [0.1 * (1 + number) for number in range(TRIALS)]}}
        self.job = self.scene.started(epochs=10_000, sweep=sweep, body={"budget_limit": limit})
        self.scene.steps.prepare(self.job.reference)
        self.books: Books = self.scene.steps._books
        self.under_way = set()
        self.done = dict.fromkeys(range(TRIALS), 0)
        self.ended = set()
        self.spent = self.now().cost_so_far

    def now(self):
        return self.scene.job(self.job.id)

    @precondition(lambda self: len(self.under_way) < CONCURRENCY and len(self.ended | self.under_way) < TRIALS)
    @rule(data=st.data())
    def begin(self, data):
        number = data.draw(st.sampled_from(sorted(set(range(TRIALS)) - self.under_way - self.ended)))
        history = [report(n + 1, 0.1) for n in range(self.done[number])]
        job = self.books.begin(self.now(), number, history, LATER)
        if self.books.affords_more(job, number, history):
            self.under_way.add(number)
        else:
            self.books.end(job, number, history, "budget")
            self.spent += self.scene.meter.per_step
            self.ended.add(number)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), share=st.floats(0.01, 0.99), leaves=st.booleans())
    def go_on(self, data, share, leaves):
        number = data.draw(st.sampled_from(sorted(self.under_way)))
        job = self.now()
        seconds = share * self.books.seconds(job, number, ())
        self.done[number] += 1
        reports = [report(self.done[number], seconds)]
        after = self.books.report(job, number, reports, LATER, leaves=leaves)
        self.spent += self.scene.meter.time(seconds)
        if leaves:
            self.spent += self.scene.meter.per_step
            self.under_way.discard(number)
        elif not self.books.affords_more(after, number, reports):
            self.books.end(after, number, reports, "budget")
            self.spent += self.scene.meter.per_step
            self.under_way.discard(number)
            self.ended.add(number)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def die(self, data):
        """Nothing is written: what it held stays held until its trial begins again."""
        self.under_way.discard(data.draw(st.sampled_from(sorted(self.under_way))))

    @precondition(lambda self: len(self.ended) == TRIALS)
    @rule()
    def rest(self):
        """All trials are over."""

    @invariant()
    def all_that_was_used_is_charged_and_what_is_held_is_there(self):
        job = self.now()
        held = sum((trial.held for trial in job.trials if trial.ended is None), Money())
        # What a stretch costs beside its time is within what every trial leaves of its share.
        assert self.spent == job.cost_so_far
        assert job.cost_so_far + held <= job.reserved_cost


def test_trials_side_by_side_never_cost_more_than_their_job_may(tmp_path_factory):
    SideBySide.folder = tmp_path_factory
    run_state_machine_as_test(SideBySide, settings=settings(max_examples=10, stateful_step_count=25, deadline=None))


def test_the_first_of_several_trials_leaves_the_others_their_share(tmp_path):
    scene = Scene(tmp_path / "records.db")
    sweep = {"parameters": {"learning_rate": [0.1, 0.2, 0.3]}}
    job = scene.started(epochs=10, sweep=sweep)
    scene.steps.prepare(job.reference)
    held = []
    for number in range(3):
        job = scene.steps._books.begin(scene.job(job.id), number, (), LATER)
        held.append(job.trials[number].held.dollars)
    assert float(max(held)) == pytest.approx(float(min(held)), rel=1e-4)
