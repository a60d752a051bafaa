"""The simulated devices: calibration snapshots of real machines, and the noise of a few of their qubits."""

import warnings
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target
from qiskit_aer.noise import NoiseModel

from ketbase.quantum.targets import working_part

MIN_QUBITS = 100
"""Smaller snapshots are of retired machines and are left out."""

type Use = tuple[str, tuple[int, ...]]
"""An instruction's name, and the physical qubits it acts on."""


@cache
def device(backend: str) -> BackendV2:
    """Return the snapshot with that id, such as `fake_fez`, loaded once per process.

    Raises:
        KeyError: there is no such snapshot.
    """
    kinds = _kinds()
    if backend not in kinds:
        raise KeyError(backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a snapshot that says it is not typical
        return kinds[backend]()


def devices() -> dict[str, BackendV2]:
    """Return every snapshot of 100 qubits and more by id, in alphabetical order."""
    found = {name: device(name) for name in sorted(_kinds())}
    return {name: snapshot for name, snapshot in found.items() if snapshot.num_qubits >= MIN_QUBITS}


@cache
def calibrated_at(backend: str) -> datetime:
    """Return the moment of a snapshot's calibration, in UTC."""
    moment: datetime = device(backend).properties().last_update_date
    return moment.astimezone(UTC)


@cache
def usable(backend: str) -> Target:
    """Return the part of a snapshot that works; `fake_kyoto`, whose couplers are all dead, is left as it is."""
    return working_part(device(backend).target)


def noise_of(backend: str, uses: Iterable[Use]) -> NoiseModel:
    """Return the noise of the instructions that a circuit uses, on qubits counted from 0.

    Gate errors, thermal relaxation and readout errors are Aer's own reading of the calibration
    (`NoiseModel.from_backend`); all that is left out is what the circuit does not touch.

    Args:
        backend: id of a simulated device.
        uses: the instructions of a compiled circuit. Their qubits, ascending, become 0, 1, 2, …
    """
    return _noise_of(backend, frozenset(uses))


@lru_cache(maxsize=64)
def _noise_of(backend: str, uses: frozenset[Use]) -> NoiseModel:
    active = sorted({qubit for _, qubits in uses for qubit in qubits})
    model = NoiseModel.from_backend(_Part(restricted(device(backend).target, active, uses)))
    model.add_basis_gates(["id"])  # Aer warns of a model without any gate, as of a circuit that only measures
    return model


def restricted(target: Target, active: list[int], uses: Iterable[Use]) -> Target:
    """Return the part of a target that has only some qubits, renumbered from 0, and some instructions on them."""
    position = {qubit: index for index, qubit in enumerate(active)}
    properties = target.qubit_properties
    part = Target(
        num_qubits=len(active),
        dt=target.dt,
        qubit_properties=[properties[qubit] for qubit in active] if properties else None,
    )
    by_name: dict[str, dict[tuple[int, ...], Any]] = {}
    for name, qubits in sorted(uses):
        known: Mapping[Any, Any] = target[name] if name in target.operation_names else {}
        if qubits in known:
            by_name.setdefault(name, {})[tuple(position[qubit] for qubit in qubits)] = known[qubits]
    for name, where in by_name.items():
        part.add_instruction(target.operation_from_name(name), where, name=name)
    return part


class _Part(BackendV2):  # type: ignore[misc]
    """As much of a backend as Aer's noise builder looks at."""

    def __init__(self, target: Target):
        super().__init__(name="part")
        self._part = target

    @property
    def target(self) -> Target:
        return self._part

    @property
    def max_circuits(self) -> None:
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: Any, **options: Any) -> Any:
        raise NotImplementedError("a part of a device only describes noise")


@cache
def _kinds() -> dict[str, type[BackendV2]]:
    """Return the snapshots' classes by id. Importing them takes seconds, so only a process that compiles does."""
    from qiskit_ibm_runtime import fake_provider

    classes = [getattr(fake_provider, name) for name in dir(fake_provider) if name.startswith("Fake")]
    return {kind.backend_name: kind for kind in classes if getattr(kind, "backend_name", None)}
