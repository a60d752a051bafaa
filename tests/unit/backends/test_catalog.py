import subprocess
import sys
from importlib.resources import files

from ketbase.backends.catalog import backends

SIMULATORS = ["aer", "qsim", "lightning", "cuquantum"]


def test_the_catalogue_lists_the_simulators_and_every_large_snapshot() -> None:
    assert list(backends())[:4] == SIMULATORS
    devices = {name: each for name, each in backends().items() if name.startswith("fake_")}
    assert {"fake_fez", "fake_torino", "fake_kyiv"} <= set(devices)
    assert all(each.capabilities.max_qubits >= 100 for each in devices.values())


def test_devices_have_a_calibration_and_simulators_have_none() -> None:
    calibrated = {name for name, each in backends().items() if each.calibration is not None}
    assert calibrated == {name for name in backends() if name.startswith("fake_")}
    fez = backends()["fake_fez"]
    assert fez.calibration is not None
    assert 0 < fez.calibration.median_single_qubit_error < fez.calibration.median_two_qubit_error < 0.05
    assert 50 < fez.calibration.median_t2_us < fez.calibration.median_t1_us < 300
    assert fez.capabilities.max_qubits == 156


def test_of_the_simulators_only_cuquantum_needs_a_gpu() -> None:
    assert [name for name in SIMULATORS if backends()[name].capabilities.has_gpu] == ["cuquantum"]


def test_a_statevector_has_as_many_qubits_as_fit_into_the_largest_memory() -> None:
    most = {name: backends()[name].capabilities.max_qubits for name in ("qsim", "lightning", "cuquantum")}
    assert most == {"qsim": 33, "lightning": 32, "cuquantum": 32}


def test_the_catalogue_lists_ionqs_backends_as_working_elsewhere() -> None:
    elsewhere = {name: (each.type, each.remote_name) for name, each in backends().items() if each.is_remote}
    assert elsewhere == {
        "ionq_simulator": ("simulator", "simulator"),
        "ionq_simulator_aria": ("simulated_device", "simulator"),
        "ionq_simulator_forte": ("simulated_device", "simulator"),
        "ionq_aria": ("hardware", "qpu.aria-1"),
        "ionq_forte": ("hardware", "qpu.forte-1"),
    }


def test_a_device_without_reset_does_not_claim_it() -> None:
    assert "RESET" in backends()["fake_fez"].capabilities.supported_gates
    assert "RESET" not in backends()["fake_miami"].capabilities.supported_gates


def test_reading_the_catalogue_imports_no_sdk() -> None:
    program = (
        "import sys\nfrom ketbase.backends.catalog import backends\nassert 'fake_fez' in backends()\n"
        "assert not {'qiskit', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_catalogue_says_what_the_snapshots_say() -> None:
    from ketbase.quantum.catalogue import catalogue, text_of

    written = files("ketbase.backends").joinpath("catalog.json").read_text()
    assert text_of(catalogue()) == written, "run `python -m ketbase.quantum.catalogue`"
