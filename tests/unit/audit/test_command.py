"""`ketbase audit verify` says what it found, and ends with 1 where that was something."""

import pytest
from typer.testing import CliRunner

from ketbase.audit import layout
from ketbase.local.cli import app
from ketbase.ports.records import Delete, Index
from ketbase.runtime import wiring
from ketbase.runtime.settings import settings


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("KETBASE_DATA", str(tmp_path))
    forget()
    yield lambda *words: CliRunner().invoke(app, ["audit", "verify", *words])
    forget()


def forget():
    settings.cache_clear()
    for made in vars(wiring).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def founded():
    """The first organisation, whose making wrote lines."""
    from ketbase.audit.lines import system_line

    for number in range(3):
        wiring.records().write(system_line(wiring.clock(), "org_a", "thing.made", f"thing_{number}"))
    wiring.sealer().seal(10)


def test_an_installation_without_lines_is_sound(command):
    ended = command()
    assert (ended.exit_code, ended.stdout) == (0, "There are no sealed lines yet.\n")


def test_a_sound_log_ends_with_0(command):
    founded()
    for words in ((), ("--organization", "org_a")):
        ended = command(*words)
        assert ended.exit_code == 0
        assert "✓ org_a: 3 sealed lines, 3 in the archive" in ended.stdout


def test_a_removed_line_ends_with_1_and_is_named(command, monkeypatch):
    founded()
    monkeypatch.setattr(wiring.clock(), "sleep", lambda _seconds: None, raising=False)
    gone = wiring.records().query(layout.partition("org_a"), index=Index.LISTING).items[1]
    wiring.records().write(Delete(gone.key))
    ended = command()
    assert ended.exit_code == 1
    assert f"✗ org_a: removed line 2 ({gone.values['id']}), in the records." in ended.stdout
