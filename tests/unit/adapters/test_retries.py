"""Writers that met do not meet again, even where they began as copies of one process."""

import random

from ketbase.adapters.records.retries import attempts
from tests.fakes import TurnedClock


def test_processes_restored_from_one_snapshot_pause_differently():
    ends = set()
    for _ in range(2):
        random.seed(1)
        clock = TurnedClock()
        assert len(list(attempts(clock))) > 1
        ends.add(clock.now())
    assert len(ends) == 2
