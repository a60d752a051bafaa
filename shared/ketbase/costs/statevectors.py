"""How long qsim and Lightning take for a circuit, without the time to start."""

import math

from ketbase.costs.shapes import Shape

# Seconds. qsim: at least; a gate, and that for each of 2ⁿ amplitudes; drawing, for each amplitude and each shot.
_QSIM, _QSIM_GATE, _QSIM_AMPLITUDE, _QSIM_DRAWN, _QSIM_SHOT = 1e-3, 4e-5, 1.4e-10, 1.8e-8, 1.5e-7
# A gate where each shot is simulated by itself.
_QSIM_REPEATED_GATE, _QSIM_REPEATED_AMPLITUDE = 7.5e-7, 3.3e-10
# Lightning: the same as of qsim, and what it takes at least to go on from an outcome of a measurement.
_LIGHTNING, _LIGHTNING_GATE, _LIGHTNING_AMPLITUDE, _LIGHTNING_DRAWN, _LIGHTNING_SHOT = (
    6e-4,
    2.4e-5,
    4.7e-10,
    7e-9,
    1e-7,
)
_LIGHTNING_SEGMENT = 1.7e-4
# How many outcomes there are after each measurement for one before it: 2 where both are as likely.
_BRANCHING = 1.7
_MOST_BITS = 60


def qsim_seconds(shape: Shape, shots: int) -> float:
    """Predict how long qsim takes."""
    amplitudes, gates = _amplitudes(shape), shape.gates
    if shape.repeats:
        each_shot = (gates + 1) * _QSIM_REPEATED_GATE + gates * _QSIM_REPEATED_AMPLITUDE * amplitudes
        return _QSIM + gates * _QSIM_GATE + shots * each_shot
    return (
        _QSIM + gates * (_QSIM_GATE + _QSIM_AMPLITUDE * amplitudes) + _QSIM_DRAWN * amplitudes + shots * _QSIM_SHOT
    )


def lightning_seconds(shape: Shape, shots: int) -> float:
    """Predict how long Lightning takes.

    Between measurements it simulates each outcome so far once for all shots that came to it.
    """
    amplitudes, gates = _amplitudes(shape), shape.gates
    interruptions = max(shape.interruptions, 1) if shape.repeats else 0
    segment = gates / (interruptions + 1) * _LIGHTNING_AMPLITUDE * amplitudes + _LIGHTNING_DRAWN * amplitudes
    if interruptions:
        segment += _LIGHTNING_SEGMENT
    drawing = shots * (shape.n_qubits if interruptions else 1) * _LIGHTNING_SHOT
    return _LIGHTNING + gates * _LIGHTNING_GATE + _segments(interruptions, shots) * segment + drawing


def _segments(interruptions: int, shots: int) -> float:
    growing = min(interruptions, math.ceil(math.log(shots, _BRANCHING)))
    grown = (_BRANCHING**growing - 1) / (_BRANCHING - 1)
    return grown + (interruptions + 1 - growing) * min(shots, _BRANCHING**growing)


def _amplitudes(shape: Shape) -> float:
    return 2.0 ** min(shape.n_qubits, _MOST_BITS)
