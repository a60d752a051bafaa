"""Fixtures and circuits that the tests of the quantum room share."""

from collections.abc import Iterator

import pytest

from ketbase.quantum.language import QiskitLanguage


@pytest.fixture(scope="session")
def language() -> Iterator[QiskitLanguage]:
    spoken = QiskitLanguage()
    spoken.warm()
    yield spoken
    spoken.close()
