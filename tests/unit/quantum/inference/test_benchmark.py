"""The benchmark of predictions fails where an aim is missed."""

import pytest

from benchmarks import predict


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name in ("KETBASE_DATA", "KETBASE_MAX_KEY_RATE_LIMIT", "POWERTOOLS_TRACE_DISABLED"):
        monkeypatch.setenv(name, "")


def measuring(milliseconds, monkeypatch):
    monkeypatch.setattr(predict, "prepared", lambda: (None, "model"))
    monkeypatch.setattr(predict, "measured", lambda *given: ([milliseconds[given[2]]] * 3, [1.0] * 3))


def test_a_run_within_all_aims_succeeds(monkeypatch):
    measuring({1: 9.0, 10: 9.0, 100: 900.0, 1_000: 149.0}, monkeypatch)
    predict.main()


@pytest.mark.parametrize("missed", [{1: 11.0}, {1_000: 151.0}, {1: 30.0, 1_000: 200.0}])
def test_a_run_that_misses_an_aim_fails_after_its_table(missed, monkeypatch, capsys):
    measuring({1: 9.0, 10: 9.0, 100: 900.0, 1_000: 149.0} | missed, monkeypatch)
    with pytest.raises(SystemExit, match="1"):
        predict.main()
    assert "NO" in capsys.readouterr().out
