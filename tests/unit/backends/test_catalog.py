import subprocess
import sys
from importlib.resources import files

from ketbase.backends.catalog import backends


def test_the_catalogue_lists_aer_and_every_large_snapshot() -> None:
    assert next(iter(backends())) == "aer"
    assert {"fake_fez", "fake_torino", "fake_kyiv"} <= set(backends())
    assert all(each.capabilities.max_qubits >= 100 for each in backends().values())


def test_devices_have_a_calibration_and_aer_has_none() -> None:
    assert [name for name, each in backends().items() if each.calibration is None] == ["aer"]
    fez = backends()["fake_fez"]
    assert fez.calibration is not None
    assert 0 < fez.calibration.median_single_qubit_error < fez.calibration.median_two_qubit_error < 0.05
    assert 50 < fez.calibration.median_t2_us < fez.calibration.median_t1_us < 300
    assert fez.capabilities.max_qubits == 156


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
