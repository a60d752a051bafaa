"""How long a writer that met another one goes on trying."""

from collections.abc import Iterator
from random import SystemRandom

from ketbase.ports.clock import Clock

ATTEMPTS = 14
FIRST_PAUSE_S = 0.025
LONGEST_PAUSE_S = 1.0


def attempts(clock: Clock) -> Iterator[int]:
    """Yield the number of each attempt, with a pause before every one but the first: some 4 s on average in all.

    A pause is random from zero up, so that those who met do not meet again
    (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
    The operating system draws it: processes restored from one snapshot share the state of every other generator.
    """
    draw = SystemRandom().uniform
    for attempt in range(ATTEMPTS):
        if attempt:
            clock.sleep(draw(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt)))
        yield attempt
