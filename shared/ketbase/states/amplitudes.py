"""Amplitudes as people write them, and as bytes: little-endian complex128, one after the other."""

import math
import struct

from ketbase.errors import InvalidError
from ketbase.states.types import MAX_STATE_QUBITS, NORM_TOLERANCE, Amplitudes

_BYTES = 16


def packed(amplitudes: Amplitudes) -> bytes:
    """Check a state that somebody sent, and write it with a norm of 1.

    Raises:
        InvalidError: `INVALID_STATE`, it has no length of a state of 1 to 10 qubits, or not the norm of one.
    """
    count = len(amplitudes)
    if count < 2 or count > 2**MAX_STATE_QUBITS or count.bit_count() != 1:
        sizes = ", ".join(str(2**n) for n in range(1, MAX_STATE_QUBITS + 1))
        raise InvalidError(
            "INVALID_STATE",
            f"amplitudes has {count:,} entries; a state of 1 to {MAX_STATE_QUBITS} qubits has {sizes}.",
            field="amplitudes",
            given=count,
            allowed=[2**n for n in range(1, MAX_STATE_QUBITS + 1)],
        )
    flat = [part for pair in amplitudes for part in pair]
    norm = math.hypot(*flat)
    if abs(norm - 1.0) > NORM_TOLERANCE:
        raise InvalidError(
            "INVALID_STATE",
            f"amplitudes has the norm {norm:.9g}; a state has 1, within {NORM_TOLERANCE:g}: "
            "divide each amplitude by the square root of the sum of their squared magnitudes.",
            field="amplitudes",
            given=norm if math.isfinite(norm) else str(norm),
            tolerance=NORM_TOLERANCE,
        )
    return struct.pack(f"<{2 * count}d", *(part / norm for part in flat))


def unpacked(state: bytes) -> Amplitudes:
    """Read amplitudes."""
    return tuple((real, imaginary) for real, imaginary in struct.iter_unpack("<dd", state))


def n_qubits(state: bytes) -> int:
    """Say how many qubits a state has."""
    return (len(state) // _BYTES).bit_length() - 1
