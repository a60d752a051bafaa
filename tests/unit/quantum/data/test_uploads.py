"""Uploads are read exactly in all three forms, and refused with the place of what is wrong."""

import io
import pickle
import re
import time
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketbase.datasets.types import MAX_FEATURES, MAX_SAMPLES, UploadFormat
from ketbase.errors import InvalidError
from ketbase.quantum.data import uploads
from ketbase.quantum.data.samples import Samples, sha256
from ketbase.quantum.data.uploads import read_upload

X = np.array([[0.1, 2.0], [1e-300, -4.0], [1 / 3, 6e20]])
FLOWERS = ("rose", "lily", "rose")


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def members(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def header(shape: tuple[int, ...], kind: str = "<f8") -> bytes:
    """An NPY file of no numbers that says that it holds some."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def refusal(data: bytes, form: UploadFormat | None = None, label: str | None = None) -> InvalidError:
    with pytest.raises(InvalidError) as refused:
        read_upload(data, form, label=label)
    assert refused.value.code == "INVALID_DATA"
    return refused.value


# --- What is read ---

CSV = b"a,b,flower\n0.1,2,rose\n1e-300,-4.0,lily\n0.3333333333333333,6e20,rose\n"
FORMS: dict[UploadFormat, bytes] = {
    "csv": CSV,
    "parquet": parquet({"a": X[:, 0], "b": X[:, 1], "flower": FLOWERS}),
    "npz": npz(x=X, y=np.array(FLOWERS)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("said", [True, False])
def test_the_same_data_is_the_same_in_every_form(form: UploadFormat, said: bool) -> None:
    samples = read_upload(FORMS[form], form if said else None)
    assert np.array_equal(samples.x, X)
    assert samples.classes == ("lily", "rose")
    assert samples.y.tolist() == [1, 0, 1]
    assert samples.names == (("0", "1") if form == "npz" else ("a", "b"))
    assert sha256(samples) == sha256(Samples(X, np.array([1, 0, 1]), ("lily", "rose"), ()))


@pytest.mark.parametrize(
    "text",
    [
        CSV.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + CSV,
        b"\n" + CSV.replace(b"\n", b"\n\n"),
        CSV.replace(b"rose", b'"rose"').replace(b"a,b", b'"a", b'),
        CSV.replace(b"2,", b" 2 ,").replace(b"-4.0", b"-4"),
        CSV.rstrip(),
    ],
)
def test_a_csv_file_may_be_written_in_several_ways(text: bytes) -> None:
    samples = read_upload(text)
    assert np.array_equal(samples.x, X)
    assert (samples.classes, samples.names) == (("lily", "rose"), ("a", "b"))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_any_column_may_hold_the_labels(form: str) -> None:
    columns = {"a": [1.5, 2.5], "kind": ["u", "v"], "b": [3, 4]}
    data = b"a,kind,b\n1.5,u,3\n2.5,v,4\n" if form == "csv" else parquet(columns)
    samples = read_upload(data, label="kind")
    assert samples.x.tolist() == [[1.5, 3], [2.5, 4]]
    assert (samples.classes, samples.names) == (("u", "v"), ("a", "b"))
    assert refusal(data, label="sort").details["columns"] == ["a", "kind", "b"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["10", "9", "-1"], (-1, 9, 10)),
        (["1.0", "2.0", "1.0"], (1, 2)),
        (["1", "01", "1.5"], (1, "01", "1.5")),
        (["True", "False", "True"], ("False", "True")),
        (["b", "7", "é"], (7, "b", "é")),
    ],
)
def test_labels_in_text_are_whole_numbers_where_they_read_so(labels: list[str], classes: tuple[Any, ...]) -> None:
    text = "a,label\n" + "\n".join(f"1,{label}" for label in labels)
    assert read_upload(text.encode()).classes == classes


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 0, 3], np.uint8),
        np.array([3.0, 0.0, 3.0]),
        np.array([3, 0, 3], np.int64),
    ],
)
@pytest.mark.parametrize("form", ["npz", "parquet"])
def test_labels_that_are_whole_numbers_are_such(labels: Any, form: str) -> None:
    data = npz(x=X, y=labels) if form == "npz" else parquet({"a": X[:, 0], "y": labels})
    assert read_upload(data).classes == (0, 3)


def test_booleans_are_0_and_1() -> None:
    yes = np.array([True, False, True])
    assert read_upload(npz(x=X, y=yes)).classes == (0, 1)
    samples = read_upload(parquet({"a": yes, "y": yes}))
    assert samples.x.tolist() == [[1], [0], [1]]
    assert samples.classes == (0, 1)


def test_bytes_of_an_array_stay_bytes_until_they_are_used() -> None:
    samples = read_upload(npz(x=np.arange(6, dtype=np.uint8).reshape(3, 2), y=np.arange(3)))
    assert samples.x.dtype == np.uint8
    assert samples.x.tolist() == [[0, 1], [2, 3], [4, 5]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100), st.sampled_from([0, 1])), min_size=2
    ).filter(lambda rows: len({row[2] for row in rows}) == 2)
)
def test_every_number_comes_back_as_it_was_written(rows: list[tuple[float, float, int]]) -> None:
    text = "a,b,y\n" + "".join(f"{a!r},{b!r},{y}\n" for a, b, y in rows)
    columns = dict(zip("aby", map(list, zip(*rows, strict=True)), strict=True))
    for data in (text.encode(), parquet(columns)):
        samples = read_upload(data)
        assert samples.x.tolist() == [[a, b] for a, b, _ in rows]
        assert samples.y.tolist() == [y for *_, y in rows]


# --- What is refused, and where ---


@pytest.mark.parametrize(
    ("text", "problem", "row", "column"),
    [
        (b"a,b,y\n1,2,0\n1,x,1\n", "Row 2 of column 'b' is 'x', no number", 2, "b"),
        (b"a,b,y\n1,2,0\n1,,1\n", "Row 2 of column 'b' is missing", 2, "b"),
        (b"a,b,y\n1,NA,0\n1,2,1\n", "Row 1 of column 'b' is missing", 1, "b"),
        (b"a,b,y\n1,2,0\nnan,2,1\n", "Row 2 of column 'a' is nan", 2, "a"),
        (b"a,b,y\n1,2,0\n1,-inf,1\n", "Row 2 of column 'b' is -inf", 2, "b"),
        (b"a,b,y\n1,2,0\n1,1e101,1\n", "Row 2 of column 'b' is 1e[+]101", 2, "b"),
        (b"a,b,y\n1,2,0\n\n1,2\n", "Row 2 has 2 fields; the first line names 3", 2, None),
        (b"a,b,y\n1,2,0,4\n1,2,1\n", "Row 1 has 4 fields", 1, None),
        (b"a,b,y\n1,2,0\n1,2,\n", "label in row 2 is missing", 2, "y"),
        (b"a,a,y\n1,2,0\n", "2 columns are called 'a'", None, "a"),
        (b"a;b;y\n1;2;0\n", "with commas between", None, "a;b;y"),
        (b"5.1,3.5,0\n4.9,3.0,1\n", "'5.1' as a name", None, None),
        (b"1,0,0\n0,1,1\n", "as a name", None, None),
        (b"a,,y\n1,2,0\n", "Column 2 has no name", None, None),
        (b"a,y\n", "no samples", None, None),
        (b"", "empty", None, None),
        (b"\n\n", "empty", None, None),
        (b"a,y\n1,0\n1,0\n", "All 2 samples are of the class 0", None, None),
        (b"a,y\n1," + b"z" * 300 + b"\n1,0\n", "label in row 1", 1, "y"),
        (b'a,y\n1,"0\n1,1\n', "label in row 1", 1, "y"),
        (b"a,y\n1,\xff\n1,0\n", "UTF8", None, None),
        (b"\xff\xfea\x00,\x00", "UTF-8", None, None),
        (b"a\x00,y\n1,2\n", "no text", None, None),
        (b"a,y\n" + b"".join(b"1,%d.5\n" % n for n in range(65)), "65 different values; at most 64", None, None),
        (b"a,y\n1," + b"x" * 5_000_000 + b"\n1,0\n", "label in row 1", 1, "y"),
    ],
)
def test_a_csv_file_says_where_it_is_wrong(text: bytes, problem: str, row: int | None, column: str | None) -> None:
    refused = refusal(text)
    assert re.search(problem, refused.message), refused.message
    assert refused.details.get("row") == row
    assert refused.details.get("column") == column


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (npz(x=X), "no array 'y'"),
        (npz(y=np.arange(3)), "no array 'x'"),
        (npz(x=X, y=np.arange(4)), "4 labels, and x 3 samples"),
        (npz(x=X[:, :, None], y=np.arange(3)), r"shape \(3, 2, 1\)"),
        (npz(x=X, y=np.arange(3)[:, None]), r"shape \(3, 1\)"),
        (npz(x=X * 1j, y=np.arange(3)), "complex128"),
        (npz(x=X.astype(str), y=np.arange(3)), "type '<U"),
        (npz(x=X, y=np.array([1, 2, None])), "type 'object'"),
        (npz(x=np.where(X == 2, np.nan, X), y=np.arange(3)), "Row 1 of column '1' is nan"),
        (npz(x=np.where(X == 2, np.inf, X), y=np.arange(3)), "Row 1 of column '1' is inf"),
        (npz(x=X, y=np.array([0.0, 0.5, 1.0])), "label in row 2 is '0.5'"),
        (npz(x=X, y=np.array([0.0, np.nan, 1.0])), "label in row 2 is 'nan'"),
        (npz(x=X[:0], y=np.arange(0)), "no samples"),
        (npz(x=X[:, :0], y=np.arange(3)), "no features"),
        (npz(x=X, y=np.zeros(3)), "All 3 samples"),
        (npz(x=X, y=np.arange(3))[:-30], "no NPZ"),
        (b"PK\x03\x04" + b"x" * 100, "no NPZ"),
        (members(x=header((3, 2)), y=header((3,))), "no whole array"),
        (members(x=b"not an array", y=header((3,))), "no array"),
        (members(x=header((MAX_SAMPLES + 1, 2))), "100,001 samples"),
        (members(x=header((2, MAX_FEATURES + 1))), "10,001 features"),
        (members(x=header((MAX_SAMPLES, MAX_FEATURES))), "1,000,000,000 numbers"),
        (members(x=header((-1, 2))), "array"),
        (members(x=header((1, 1)) + bytes(8), y=header((2**60,))), "labels of 8 bytes"),
        (members(x=header((1, 1)) + bytes(8), y=header((2,), "<U1000000")), "labels of 4,000,000 bytes"),
    ],
)
def test_an_npz_file_says_what_is_wrong(data: bytes, problem: str) -> None:
    assert re.search(problem, refusal(data, "npz").message)


def test_nothing_is_unpickled() -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return pytest.fail, ("it was unpickled",)

    array = np.empty((1, 1), object)
    array[0, 0] = Evil()
    file = io.BytesIO()
    np.savez(file, x=array, y=np.arange(1))
    assert "object" in refusal(file.getvalue(), "npz").message
    assert "pickle" in refusal(pickle.dumps(Evil(), 4)).message


def test_a_zip_bomb_is_refused_without_being_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        member.write(header((MAX_SAMPLES, 5_000)))
        for _ in range(200):
            member.write(bytes(1 << 20))
    began = time.process_time()
    assert "500,000,000 numbers" in refusal(file.getvalue()).message
    assert time.process_time() - began < 0.05


def test_a_file_in_another_packing_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", header((1, 1)) + bytes(8))
    assert "packed" in refusal(file.getvalue()).message


@pytest.mark.parametrize(
    ("data", "problem", "row"),
    [
        (parquet({"a": [1.0, None], "y": [0, 1]}), "Row 2 of column 'a' is missing", 2),
        (parquet({"a": [1.0, 2.0, 3.0], "y": ["u", None, "v"]}), "label in row 2 is missing", 2),
        (parquet({"a": [1.0, 2.0], "y": [None, 1]}), "label in row 1 is missing", 1),
        (parquet({"a": [1.0, float("nan")], "y": [0, 1]}), "Row 2 of column 'a' is nan", 2),
        (parquet({"a": ["1", "2"], "y": [0, 1]}), "'a' is of the type string", None),
        (parquet({"a": [[1.0], [2.0]], "y": [0, 1]}), "'a' is of the type list", None),
        (parquet({"a": [{"b": 1}, {"b": 2}], "y": [0, 1]}), "'a' is of the type struct", None),
        (parquet({"a": [1, 2], "y": [[0], [1]]}), "'y' is of the type list", None),
        (parquet({"y": [0, 1]}), "one column", None),
        (parquet({"a": np.arange(0.0), "y": np.arange(0)}), "no samples", None),
        (parquet({"a": np.zeros(MAX_SAMPLES + 1), "y": np.zeros(MAX_SAMPLES + 1)}), "100,001 samples", None),
        (FORMS["parquet"][:-20], "no Parquet", None),
        (b"PAR1" + b"x" * 50 + b"PAR1", "no Parquet", None),
    ],
)
def test_a_parquet_file_says_what_is_wrong(data: bytes, problem: str, row: int | None) -> None:
    refused = refusal(data)
    assert re.search(problem, refused.message), refused.message
    assert refused.details.get("row") == row


def parquet_that_says(wrong: int) -> bytes:
    """Give a small file of 3,000,000 rows that says in some of four places that there are 3.

    Args:
        wrong: a bit for each place: the file, both columns, their group.
    """
    n_rows = 3_000_000
    data = parquet({"a": np.zeros(n_rows), "y": np.zeros(n_rows, np.int8)}, row_group_size=n_rows)
    # Thrift: a 64-bit field, and the number as a varint; the other number is made as long by empty groups of bits.
    there, instead = b"\x16\x80\x9b\xee\x02", b"\x16\x86\x80\x80\x00"
    footer = data.index(there, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
    places = [match.start() for match in re.finditer(re.escape(there), data) if match.start() >= footer]
    assert len(places) == 4
    for bit, place in enumerate(places):
        if wrong >> bit & 1:
            data = data[:place] + instead + data[place + 5 :]
    return data


@pytest.mark.parametrize("wrong", range(1, 15))
def test_a_parquet_file_that_hides_rows_is_refused_before_they_are_read(
    wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    data = parquet_that_says(wrong)
    assert len(data) < 100_000
    assert re.search("contradicts itself|3,000,000 samples", refusal(data).message)


def test_a_parquet_file_whose_pages_hold_more_than_it_says_gives_what_it_says_at_most() -> None:
    assert "All 3 samples are of the class 0" in refusal(parquet_that_says(15)).message


def test_rows_are_counted_over_all_row_groups() -> None:
    columns = {"a": [1.0] * 5 + [None], "y": ["u", "v", "w", "u", "v", "w"]}
    assert refusal(parquet(columns, row_group_size=2)).details["row"] == 6
    columns = {"a": [1.0] * 6, "y": ["u", "v", "w", "u", "v", None]}
    assert refusal(parquet(columns, row_group_size=2)).details["row"] == 6
    columns["y"][5] = "x"
    assert read_upload(parquet(columns, row_group_size=2)).y.tolist() == [0, 1, 2, 0, 1, 3]


def test_a_long_label_repeated_in_every_row_is_not_unpacked_as_often() -> None:
    labels = pa.DictionaryArray.from_arrays(np.zeros(50_000, np.int32), ["z" * 1_000_000])
    data = parquet({"a": np.arange(50_000.0), "y": labels}, store_schema=False)
    assert len(data) < 2_000_000
    assert "label in row 1 " in refusal(data).message


@pytest.mark.parametrize(
    ("data", "form", "problem"),
    [
        (CSV, "npz", "begins as csv"),
        (CSV, "parquet", "begins as csv"),
        (FORMS["parquet"], "csv", "begins as parquet"),
        (FORMS["npz"], "csv", "begins as npz"),
        (FORMS["npz"], "parquet", "begins as npz"),
        (b"\x89PNG\r\n\x1a\n", "csv", "begins as PNG"),
        (b"\x1f\x8b\x08\x00", None, "begins as gzip"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(data: bytes, form: UploadFormat | None, problem: str) -> None:
    assert problem in refusal(data, form).message


def test_a_file_that_is_too_long_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", len(CSV) - 1)
    assert "at most" in refusal(CSV).message


def test_an_npz_file_has_no_column_for_labels() -> None:
    assert "array y" in refusal(FORMS["npz"], label="flower").message


def test_too_many_rows_and_columns_of_text_are_refused_before_they_are_parsed() -> None:
    assert "100,001 samples" in refusal(b"a,y\n" + b"1,0\n" * (MAX_SAMPLES + 1)).message
    names = ",".join(f"c{n}" for n in range(MAX_FEATURES + 2))
    assert "10,001 features" in refusal(names.encode() + b"\n1\n").message
    names = ",".join(f"c{n}" for n in range(301))
    assert "numbers" in refusal(names.encode() + b"\n" * 80_000).message
