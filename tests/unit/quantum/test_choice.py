"""`auto` by fidelity promises what noise then shows: measured here on a few circuits, by `make bench-choice` on more."""

from benchmarks.choice import CLAIM, Trials, corpus
from ketbase.run.choice import LAYOUTS

DEVICES = ("fake_fez", "fake_torino", "fake_sherbrooke")
CIRCUITS = ("random 0", "random 1", "GHZ 5", "QFT 4", "QFT 5", "star 5")


def test_the_chosen_backend_and_layout_beat_the_median_candidate_when_noise_is_simulated(tmp_path):
    trials = Trials(tmp_path / "records.db")
    tried = [trials.of(definition, among=DEVICES) for name, definition in corpus() if name in CIRCUITS]
    assert {len(trial.fidelities) for trial in tried} == {len(DEVICES) * LAYOUTS}
    assert sum(trial.is_better for trial in tried) >= CLAIM * len(CIRCUITS)
