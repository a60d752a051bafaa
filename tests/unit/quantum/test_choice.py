"""`auto` by fidelity promises what noise then shows: measured here on a few circuits, by `make bench-choice` on more."""

from statistics import median

from benchmarks.choice import CLAIM, compile_for, corpus, fidelity

DEVICES = ("fake_fez", "fake_torino", "fake_sherbrooke")
CIRCUITS = ("random 0", "random 1", "GHZ 5", "QFT 4", "QFT 5", "star 5")


def test_the_promised_best_beats_the_median_candidate_when_noise_is_simulated():
    better = 0
    for _, definition in (each for each in corpus() if each[0] in CIRCUITS):
        compiled = [compile_for(definition, device, seed) for device in DEVICES for seed in (0, 1)]
        reached = {id(each): fidelity(definition, each) for each in compiled}
        chosen = max(compiled, key=lambda each: each.estimated_success)
        better += reached[id(chosen)] >= median(reached.values())
    assert better >= CLAIM * len(CIRCUITS)
