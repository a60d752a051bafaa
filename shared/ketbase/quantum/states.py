r"""State vectors as vectors of real numbers, compared whatever their global phase.

A state of $n$ qubits lies in a store of vectors as the $2 \cdot 2^n$ real numbers
$(\mathrm{Re}\,\psi, \mathrm{Im}\,\psi)$, of length 1. The cosine of two such vectors is
$\mathrm{Re}\langle\varphi|\psi\rangle$, which a global phase of either changes. So a state is looked for under $K$
phases at once: with $\langle\varphi|\psi\rangle = |o|\,e^{i\alpha}$, the phase $\theta_k = 2\pi k/K$ nearest to
$\alpha$ is at most $\pi/K$ away, and the best of the $K$ cosines $|o|\cos(\alpha - \theta_k)$ lies between
$|o|\cos(\pi/K)$ and $|o|$: 8 rotations lose 7.6 per cent of the cosine at most, 32 lose 0.5.
"""

import base64
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ketbase.circuits.types import CircuitDefinition
from ketbase.ports.quantum import Overlap
from ketbase.quantum.sandbox import Sandbox, ask_about_circuit

type Amplitudes = npt.NDArray[np.complex128]


class QiskitStates:
    """The port `StateVectors`: circuits are computed by Qiskit in a child process, and states compared here."""

    def __init__(self, sandbox: Sandbox | None = None):
        self._sandbox = sandbox or Sandbox()

    def compute(self, definition: CircuitDefinition, parameters: Mapping[str, float]) -> bytes:
        """Compute the state of a circuit of gates, parameters in radians, measurements at its end left out.

        Raises:
            InvalidCircuitError: `INVALID_PARAMETER`, `UNSUPPORTED_OPERATION`, or `CIRCUIT_TOO_COMPLEX` to be
                computed within the sandbox's time and memory.
            UnavailableError: the child does not start.
        """
        asked = {"definition": definition.model_dump(mode="json"), "parameters": dict(parameters)}
        amplitudes = _read(base64.b64decode(ask_about_circuit(self._sandbox, "state", **asked)))
        # Ten thousand gates leave it a rounding error or two away from 1.
        return (amplitudes / np.linalg.norm(amplitudes)).tobytes()

    def rotated(self, state: bytes, rotations: int) -> list[list[float]]:
        r"""Write $e^{i\theta_k}|\varphi\rangle$ as real numbers for `rotations` phases $\theta_k$, 0 the first."""
        phases = np.exp(2j * math.pi * np.arange(rotations) / rotations)
        turned = phases[:, None] * _read(state)[None, :]
        written: list[list[float]] = np.concatenate((turned.real, turned.imag), axis=1).tolist()
        return written

    def overlaps(self, state: bytes, others: Sequence[bytes]) -> list[Overlap]:
        r"""Give $|\langle\varphi|\psi\rangle|^2$ and $\arg\langle\varphi|\psi\rangle$ for each other state $\psi$.

        Computed in double precision: right to about $10^{-15}$ in the fidelity, and to $10^{-15}/|o|$ in the phase.
        """
        if not others:
            return []
        stacked = np.frombuffer(b"".join(others), dtype="<c16").reshape(len(others), -1)
        products = stacked @ _read(state).conj()
        fidelities = np.minimum(np.square(products.real) + np.square(products.imag), 1.0)
        phases = np.angle(products)
        return [Overlap(*each) for each in zip(fidelities.tolist(), phases.tolist(), strict=True)]


def _read(state: bytes) -> Amplitudes:
    return np.frombuffer(state, dtype="<c16")
