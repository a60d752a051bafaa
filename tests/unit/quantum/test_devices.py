import numpy as np
import pytest
from qiskit.quantum_info import SuperOp
from qiskit_aer.noise import NoiseModel

from ketbase.quantum.devices import Use, device, devices, noise_of

CHAIN = (3, 4, 5)
"""Neighbours on a device, not starting at 0, so that a forgotten renumbering shows."""


@pytest.fixture(scope="module")
def whole() -> NoiseModel:
    return NoiseModel.from_backend(device("fake_fez"))


def uses() -> list[Use]:
    target = device("fake_fez").target
    single: list[Use] = [(name, (qubit,)) for name in ("sx", "x", "rz", "measure") for qubit in CHAIN]
    pairs: list[Use] = [("cz", pair) for pair in target["cz"] if set(pair) <= set(CHAIN)]
    assert pairs
    return single + pairs


def test_the_reduced_noise_is_the_full_noise_on_those_qubits(whole: NoiseModel) -> None:
    position = {qubit: index for index, qubit in enumerate(CHAIN)}
    part = noise_of("fake_fez", uses())
    compared = 0
    for name, qubits in uses():
        full = whole._local_quantum_errors.get(name, {}).get(qubits)
        reduced = part._local_quantum_errors.get(name, {}).get(tuple(position[q] for q in qubits))
        assert (full is None) == (reduced is None), (name, qubits)
        if full is not None:
            assert np.allclose(SuperOp(full).data, SuperOp(reduced).data, atol=1e-12)
            compared += 1
    assert compared >= 8


def test_the_reduced_readout_errors_are_the_full_ones(whole: NoiseModel) -> None:
    part = noise_of("fake_fez", uses())
    assert set(part._local_readout_errors) == {(0,), (1,), (2,)}
    for index, qubit in enumerate(CHAIN):
        full, reduced = whole._local_readout_errors[(qubit,)], part._local_readout_errors[(index,)]
        assert np.array_equal(full.probabilities, reduced.probabilities)


def test_the_reduced_noise_holds_nothing_that_is_not_used() -> None:
    part = noise_of("fake_fez", [("sx", (9,)), ("measure", (9,))])
    assert set(part._local_quantum_errors) == {"sx"}
    assert set(part._local_readout_errors) == {(0,)}


def test_every_snapshot_has_at_least_100_qubits_and_is_loaded_once() -> None:
    assert all(snapshot.num_qubits >= 100 for snapshot in devices().values())
    assert device("fake_fez") is device("fake_fez")


def test_an_unknown_device_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        device("fake_atlantis")
