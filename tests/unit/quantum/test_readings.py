"""Pauli terms read off an estimator's shots."""

import numpy as np
import pytest

from ketbase.quantum.ibm.readings import Terms, calibration_of, shots_of


class Result(list):
    """As much of the SDK's result as is read."""


def result(*items, **said):
    entry = {"version": "0.1", "mitigation": None, "program_item_index": 0, "param_basis_pairs": [((), "ZZ")]}

    found = Result(items)
    found.passthrough_data = {"qiskit_mitigation": [entry | said]}
    return found


def bits(*shots):
    """Rows of letters, qubit 0 rightmost."""
    return np.array([[letter == "1" for letter in reversed(shot)] for shot in shots])


def test_only_the_circuits_own_qubits_are_read_and_flips_undone():
    machine = bits("100", "110").reshape(1, 1, 2, 3)
    flips = bits("010").reshape(1, 1, 1, 3)
    found = result({"_meas": machine, "measurement_flips._meas": flips}, param_basis_pairs=[((), "XIZ")])
    assert [
        [{basis: shots.tolist() for basis, shots in bases.items()} for bases in scales]
        for scales in shots_of(found, [2, 1])
    ] == [[{"IX": [[True, True], [True, False]]}]]


def test_a_form_of_another_version_is_not_guessed_at():
    with pytest.raises(ValueError, match=r"version 0\.2"):
        list(shots_of(result(version="0.2"), [0]))
    with pytest.raises(ValueError, match=r"version 0\.2"):
        calibration_of(result(version="0.2"), [0])


def test_a_term_is_read_off_the_first_basis_that_agrees():
    terms = Terms(["IZ", "XI"], np.array([[1.0, 0.0], [0.0, 1.0]]))
    values = terms.measured({"YZ": bits("00", "01"), "XZ": bits("10", "10", "11", "11")})
    assert values.means.tolist() == [0.0, -1.0]
    with pytest.raises(ValueError, match="XI was not measured"):
        terms.measured({"YZ": bits("00")})


def test_readout_is_corrected_by_what_it_shows_where_nothing_is():
    wrong = np.zeros((1_000, 1), dtype=bool)
    wrong[:100] = True
    terms = Terms(["Z"], np.array([[2.0]]), wrong)
    values = terms.corrected({"Z": ~wrong})
    assert values.means == pytest.approx([-2.0])
    one_sided = Terms(["Z"], np.array([[2.0]])).corrected({"Z": ~wrong})
    assert one_sided.means == pytest.approx([-1.6])
    assert (
        values.estimate(0).standard_error > one_sided.estimate(0).standard_error / 0.8
    )  # the calibration's as well


def test_one_shot_has_the_largest_error_that_there_can_be():
    assert Terms(["Z"], np.array([[3.0]])).measured({"Z": bits("0")}).estimate(0).standard_error == 3.0


def test_the_identity_is_exact():
    terms = Terms(["I", "Z"], np.array([[0.5, 0.5], [0.0, 1.0]]))
    values = terms.measured({"Z": bits("0", "1")})
    assert values.means.tolist() == [0.5, 0.5]
    assert values.estimate(0).standard_error == 0


def test_many_terms_are_read_in_parts(monkeypatch):
    monkeypatch.setattr("ketbase.quantum.ibm.readings._CHUNK", 3)
    letters = ["IIZ", "IZI", "ZII", "ZZI", "IZZ"]
    terms = Terms(letters, np.eye(5), bits("000", "001", "000"))
    shots = {"ZZZ": bits("010", "011", "110")}
    assert terms.measured(shots).means == pytest.approx([1 / 3, -1, 1 / 3, -1 / 3, -1 / 3])
    assert terms.corrected(shots).means == pytest.approx([1, -1, 1 / 3, -1 / 3, -1])
