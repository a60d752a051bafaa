"""What every store of vectors does."""

import itertools
import json
import math
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketbase.adapters.vectors import embedded
from ketbase.adapters.vectors.embedded import EmbeddedVectors
from ketbase.adapters.vectors.pinecone import PineconeVectors
from ketbase.errors import UnavailableError
from ketbase.ports.vectors import (
    MAX_TOP_K,
    AtLeast,
    AtMost,
    Collection,
    Equals,
    OneOf,
    Vector,
    Vectors,
)
from tests import servers
from tests.contract.vector_worker import BATCH, COLLECTION, NAMESPACE, values_of
from tests.peers.pinecone_server import API_KEY
from tests.template import ROOT

PREFIXES = itertools.count()
PLANE = Collection("plane", 2)
OURS, THEIRS = "org_ours", "org_theirs"
PATIENCE_S = 10.0


@pytest.fixture(scope="session")
def pinecone() -> Iterator[str]:
    with servers.pinecone() as url:
        yield url


def tell(url: str, **asked: Any) -> None:
    """Tell the peer how to behave from now on."""
    body = json.dumps(asked).encode()
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    direct.open(urllib.request.Request(f"{url}/_peer", body)).close()


def at_pinecone(url: str, **wired: Any) -> PineconeVectors:
    given = {"prefix": f"test-{next(PREFIXES)}", "cloud": "aws", "region": "us-east-1", "host": url}
    return PineconeVectors(API_KEY, **(given | wired))


@pytest.fixture(params=["embedded", "embedded with an index", "pinecone", "pinecone, late"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vectors]:
    match request.param:
        case "embedded":
            yield EmbeddedVectors(tmp_path / "vectors")
        case "embedded with an index":
            # As if two were many, so that the index answers all that it may.
            monkeypatch.setattr(embedded, "MOST_EXACT", 2)
            monkeypatch.setattr(embedded, "MOST_BEHIND", 1)
            yield EmbeddedVectors(tmp_path / "vectors")
        case _:
            url = request.getfixturevalue("pinecone")
            tell(url, fresh_after_s=0.3 if request.param.endswith("late") else 0.0)
            yield at_pinecone(url)
            tell(url)


def eventually(read: Callable[[], Any], expected: Any) -> None:
    """Hold that `read` gives what is expected before long: a write may be seen late."""
    deadline = time.monotonic() + PATIENCE_S
    while (seen := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert seen == expected


def keep(vectors: Vectors, collection: Collection = PLANE, namespace: str = OURS, **values: Any) -> None:
    vectors.upsert(collection, namespace, [Vector(name, value) for name, value in values.items()])
    eventually(lambda: set(values) - set(vectors.ids(collection, namespace)), set())


def names(answer: list[Any]) -> list[str]:
    return [match.id for match in answer]


def found(
    vectors: Vectors, query: Any, top_k: int = 10, where: Any = (), collection: Collection = PLANE
) -> list[str]:
    (answer,) = vectors.nearest(collection, OURS, [query], top_k=top_k, where=where)
    return names(answer)


# --- Keeping ---


def test_a_vector_comes_back_with_its_metadata(vectors: Vectors) -> None:
    kept = Vector("v", [0.25, -4.0], {"text": "é", "number": 3, "flag": True, "many": ("a", "b")})
    vectors.upsert(PLANE, OURS, [kept])
    eventually(lambda: vectors.fetch(PLANE, OURS, ["v"]), [kept])


def test_vectors_come_back_in_the_order_asked_for_without_the_missing(vectors: Vectors) -> None:
    keep(vectors, a=[1, 0], b=[0, 1], c=[1, 1])
    assert [each.id for each in vectors.fetch(PLANE, OURS, ["c", "nobody", "a"])] == ["c", "a"]
    assert vectors.fetch(PLANE, OURS, []) == []


def test_what_nobody_kept_is_not_there(vectors: Vectors) -> None:
    assert vectors.fetch(PLANE, OURS, ["v"]) == []
    assert vectors.nearest(PLANE, OURS, [[1, 0]], top_k=1) == [[]]
    assert list(vectors.ids(PLANE, OURS)) == []
    assert vectors.count(PLANE, OURS) == 0
    vectors.delete(PLANE, OURS, ["v"])
    vectors.erase(PLANE, OURS)
    vectors.upsert(PLANE, OURS, [])


def test_a_later_vector_takes_the_place_of_an_earlier_one(vectors: Vectors) -> None:
    keep(vectors, v=[1, 0], w=[0.5, 1], x=[0.4, 1])
    vectors.upsert(PLANE, OURS, [Vector("v", [0, 1], {"new": True})])
    eventually(lambda: found(vectors, [1, 0]), ["w", "x", "v"])
    assert vectors.fetch(PLANE, OURS, ["v"]) == [Vector("v", [0, 1], {"new": True})]
    assert found(vectors, [1, 0], where=[Equals("new", True)]) == ["v"]
    assert vectors.count(PLANE, OURS) == 3


def test_keeping_the_same_again_changes_nothing(vectors: Vectors) -> None:
    for _ in range(3):
        keep(vectors, a=[1, 0], b=[0, 1], c=[1, 1])
    assert vectors.count(PLANE, OURS) == 3
    assert found(vectors, [1, 0.1]) == ["a", "c", "b"]


def test_what_is_deleted_is_gone(vectors: Vectors) -> None:
    keep(vectors, a=[1, 0], b=[0, 1], c=[1, 1], d=[1, 0.5])
    vectors.delete(PLANE, OURS, ["a", "nobody"])
    eventually(lambda: found(vectors, [1, 0]), ["d", "c", "b"])
    assert vectors.fetch(PLANE, OURS, ["a"]) == []
    eventually(lambda: vectors.count(PLANE, OURS), 3)
    vectors.delete(PLANE, OURS, [])


def test_many_are_kept_counted_walked_and_deleted(vectors: Vectors) -> None:
    ids = sorted(f"{kind}-{number}" for kind in ("state", "other") for number in range(1_300))
    kept = [Vector(each, [1.0, number / 7], {"number": number}) for number, each in enumerate(ids)]
    vectors.upsert(PLANE, OURS, kept)
    eventually(lambda: vectors.count(PLANE, OURS), 2_600)
    assert list(vectors.ids(PLANE, OURS)) == ids
    assert list(vectors.ids(PLANE, OURS, "state-")) == [each for each in ids if each.startswith("state-")]
    assert list(vectors.ids(PLANE, OURS, "nothing")) == []
    assert [each.id for each in vectors.fetch(PLANE, OURS, ids)] == ids
    assert found(vectors, [1.0, 0.0], 2_600) == [each.id for each in kept]
    vectors.delete(PLANE, OURS, ids[:-1])
    eventually(lambda: list(vectors.ids(PLANE, OURS)), ids[-1:])


def test_large_vectors_are_kept_whatever_one_request_may_hold(vectors: Vectors) -> None:
    large = Collection("large", 2_048)
    rng = np.random.default_rng(1)
    values = rng.normal(size=(130, 2_048)).astype(np.float32)
    kept = [Vector(f"v{number:03d}", value.tolist(), {"n": "x" * 200}) for number, value in enumerate(values)]
    vectors.upsert(large, OURS, kept)
    eventually(lambda: vectors.count(large, OURS), 130)
    assert vectors.fetch(large, OURS, [each.id for each in kept]) == kept
    answers = vectors.nearest(large, OURS, [each.values for each in kept[:20]], top_k=1)
    assert [names(answer) for answer in answers] == [[each.id] for each in kept[:20]]


# --- Tenants and collections ---


def test_a_namespace_shows_nothing_of_another(vectors: Vectors) -> None:
    keep(vectors, a=[1, 0], b=[0, 1], c=[1, 1])
    keep(vectors, namespace=THEIRS, a=[0, 1], secret=[1, 0], x=[1, 2], y=[2, 1])
    assert found(vectors, [1, 0]) == ["a", "c", "b"]
    assert list(vectors.ids(PLANE, OURS)) == ["a", "b", "c"]
    assert vectors.fetch(PLANE, OURS, ["secret"]) == []
    assert vectors.fetch(PLANE, OURS, ["a"])[0].values == [1, 0]
    vectors.delete(PLANE, OURS, ["secret"])
    vectors.erase(PLANE, OURS)
    eventually(lambda: vectors.count(PLANE, OURS), 0)
    assert list(vectors.ids(PLANE, THEIRS)) == ["a", "secret", "x", "y"]
    assert names(vectors.nearest(PLANE, THEIRS, [[1, 0]], top_k=1)[0]) == ["secret"]


def test_an_erased_namespace_can_be_used_again(vectors: Vectors) -> None:
    keep(vectors, a=[1, 0], b=[0, 1], c=[1, 1])
    vectors.erase(PLANE, OURS)
    eventually(lambda: list(vectors.ids(PLANE, OURS)), [])
    keep(vectors, b=[1, 0], d=[0, 1], e=[1, 1])
    assert found(vectors, [1, 0]) == ["b", "e", "d"]


def test_collections_are_apart(vectors: Vectors) -> None:
    space = Collection("space", 3)
    keep(vectors, a=[1, 0])
    keep(vectors, space, b=[1, 0, 0])
    assert found(vectors, [1, 0]) == ["a"]
    assert found(vectors, [1, 0, 0], collection=space) == ["b"]


@pytest.mark.parametrize("other", [Collection("plane", 3), Collection("plane", 2, "dotproduct")])
def test_a_collection_stays_what_it_was_made_as(vectors: Vectors, other: Collection) -> None:
    keep(vectors, a=[1, 0])
    query = [1.0] * other.dimension
    for use in (
        lambda: vectors.upsert(other, OURS, [Vector("v", query)]),
        lambda: vectors.fetch(other, OURS, ["a"]),
        lambda: vectors.nearest(other, OURS, [query], top_k=1),
        lambda: vectors.count(other, OURS),
        lambda: list(vectors.ids(other, OURS)),
        lambda: vectors.delete(other, OURS, ["a"]),
        lambda: vectors.erase(other, OURS),
    ):
        with pytest.raises(ValueError, match="plane"):
            use()


# --- Searching ---


@pytest.mark.parametrize(
    ("metric", "order", "scores"),
    [
        ("cosine", ["far", "near", "beside", "behind"], [1.0, math.sqrt(0.5), 0.0, -1.0]),
        ("dotproduct", ["far", "near", "beside", "behind"], [9.0, 1.0, 0.0, -2.0]),
        ("euclidean", ["near", "beside", "behind", "far"], [1.0, 2.0, 9.0, 64.0]),
    ],
)
def test_the_metric_decides_what_is_near(
    vectors: Vectors, metric: Any, order: list[str], scores: list[float]
) -> None:
    collection = Collection(f"by-{metric}", 2, metric)
    keep(vectors, collection, near=[1, 1], far=[9, 0], beside=[0, 1], behind=[-2, 0])
    (answer,) = vectors.nearest(collection, OURS, [[1, 0]], top_k=10)
    assert names(answer) == order
    assert [match.score for match in answer] == pytest.approx(scores, abs=1e-5)


def test_each_query_has_an_answer_of_its_own(vectors: Vectors) -> None:
    keep(vectors, a=[1, 0], b=[0, 1], c=[-1, 0], d=[0, -1])
    queries = [[1, 0.1], [0.1, 1], [-1, 0.1]]
    assert [names(answer) for answer in vectors.nearest(PLANE, OURS, queries, top_k=2)] == [
        ["a", "b"],
        ["b", "a"],
        ["c", "b"],
    ]
    assert vectors.nearest(PLANE, OURS, [], top_k=1) == []


def test_conditions_leave_what_passes_all_of_them(vectors: Vectors) -> None:
    some = [
        Vector("a", [1.0, 0.0], {"tags": ("red", "round"), "size": 3, "good": True, "name": "1"}),
        Vector("b", [1.0, 0.1], {"tags": ("red",), "size": 5.5, "good": False, "name": "x"}),
        Vector("c", [1.0, 0.2], {"tags": ("blue", "round"), "size": 7, "name": "true"}),
        Vector("d", [1.0, 0.3], {"size": "5", "good": 1, "o'clock": "x"}),
        Vector("e", [1.0, 0.4]),
    ]
    vectors.upsert(PLANE, OURS, some)
    eventually(lambda: found(vectors, [1, 0]), ["a", "b", "c", "d", "e"])
    for where, expected in [
        ([Equals("tags", "red")], ["a", "b"]),
        ([Equals("tags", "red"), Equals("tags", "round")], ["a"]),
        ([OneOf("tags", ("blue", "red"))], ["a", "b", "c"]),
        ([OneOf("size", (3, 7))], ["a", "c"]),
        ([AtLeast("size", 5.5)], ["b", "c"]),
        ([AtMost("size", 5.5)], ["a", "b"]),
        ([AtLeast("size", 4), AtMost("size", 6)], ["b"]),
        ([Equals("size", 3.0)], ["a"]),
        ([Equals("size", "5")], ["d"]),
        ([Equals("good", True)], ["a"]),
        ([Equals("good", False)], ["b"]),
        ([Equals("good", 1)], ["d"]),
        ([Equals("name", "1")], ["a"]),
        ([Equals("name", "true")], ["c"]),
        ([Equals("o'clock", "x")], ["d"]),
        ([Equals("nobody", "has")], []),
    ]:
        assert found(vectors, [1, 0], where=where) == expected, where
        assert found(vectors, [1, 0], 1, where=where) == expected[:1], where


def test_no_more_than_top_k_are_found_and_all_where_there_are_fewer(vectors: Vectors) -> None:
    keep(vectors, **{f"v{number}": [1.0, number] for number in range(8)})
    assert found(vectors, [1, 0], 3) == ["v0", "v1", "v2"]
    assert len(found(vectors, [1, 0], MAX_TOP_K)) == 8


# --- What no store takes ---

LONG = "x" * 513


@pytest.mark.parametrize(
    "vector",
    [
        Vector("v", [1.0]),
        Vector("v", [1.0, 2.0, 3.0]),
        Vector("v", [0.0, 0.0]),
        Vector("v", [1e-60, 0.0]),
        Vector("v", [1.0, math.nan]),
        Vector("v", [1.0, math.inf]),
        Vector("v", [1.0, 1e39]),
        Vector("", [1.0, 0.0]),
        Vector(LONG, [1.0, 0.0]),
        Vector("é", [1.0, 0.0]),
        Vector("v", [1.0, 0.0], {"none": None}),
        Vector("v", [1.0, 0.0], {"nested": {"a": 1}}),
        Vector("v", [1.0, 0.0], {"numbers": (1, 2)}),
        Vector("v", [1.0, 0.0], {"$eq": "x"}),
        Vector("v", [1.0, 0.0], {"": "x"}),
        Vector("v", [1.0, 0.0], {"nan": math.nan}),
        Vector("v", [1.0, 0.0], {"huge": 10**400}),
        Vector("v", [1.0, 0.0], {"long": "x" * 40_000}),
    ],
)
def test_no_store_takes_such_a_vector(vectors: Vectors, vector: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        vectors.upsert(PLANE, OURS, [Vector("good", [1.0, 0.0]), vector])
    assert vectors.fetch(PLANE, OURS, ["good"]) == []


@pytest.mark.parametrize("query", [[1.0], [0.0, 0.0], [math.nan, 1.0]])
def test_no_store_answers_such_a_query(vectors: Vectors, query: list[float]) -> None:
    keep(vectors, a=[1, 0])
    with pytest.raises(ValueError, match="query"):
        vectors.nearest(PLANE, OURS, [query], top_k=1)


@pytest.mark.parametrize("top_k", [0, -1, MAX_TOP_K + 1])
def test_top_k_has_limits(vectors: Vectors, top_k: int) -> None:
    with pytest.raises(ValueError, match="top_k"):
        vectors.nearest(PLANE, OURS, [[1.0, 0.0]], top_k=top_k)


def test_an_id_comes_once_in_a_call(vectors: Vectors) -> None:
    with pytest.raises(ValueError, match="twice"):
        vectors.upsert(PLANE, OURS, [Vector("v", [1.0, 0.0]), Vector("v", [0.0, 1.0])])


@pytest.mark.parametrize("namespace", ["", LONG, "é"])
def test_a_namespace_has_a_name(vectors: Vectors, namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        vectors.upsert(PLANE, namespace, [Vector("v", [1.0, 0.0])])


@pytest.mark.parametrize("name", ["", "Upper", "under_score", "-a", "x" * 26, "../x"])
def test_a_collection_has_a_plain_name(vectors: Vectors, name: str) -> None:
    with pytest.raises(ValueError, match="collection"):
        vectors.count(Collection(name, 2), OURS)


def test_a_store_that_answers_says_so(vectors: Vectors) -> None:
    vectors.check()


# --- The embedded store ---


def brute(values: np.ndarray, query: np.ndarray, top_k: int) -> list[str]:
    scores = values @ query / np.linalg.norm(values, axis=1)
    return [f"v{place}" for place in np.argsort(-scores)[:top_k]]


def filled(
    folder: Path, values: np.ndarray, label: Callable[[int], dict[str, Any]] = lambda _: {}
) -> EmbeddedVectors:
    store = EmbeddedVectors(folder)
    collection = Collection("many", values.shape[1])
    for start in range(0, len(values), 1_000):
        some = values[start : start + 1_000]
        store.upsert(
            collection,
            OURS,
            [Vector(f"v{start + place}", value.tolist(), label(start + place)) for place, value in enumerate(some)],
        )
    return store


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(80, 32))
    return (centres[rng.integers(0, 80, 8_000)] + 0.6 * rng.normal(size=(8_000, 32))).astype(np.float32)


@pytest.fixture(scope="module")
def many(clustered: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedVectors:
    """More vectors than are compared one by one, and so are three of the `quarter`s; `rare` is one in a hundred."""
    folder = tmp_path_factory.mktemp("many")
    return filled(folder, clustered, lambda n: {"tenth": n % 10, "quarter": n % 4, "rare": n % 100 == 0})


MANY = Collection("many", 32)


def recall(store: EmbeddedVectors, values: np.ndarray, where: Any, chosen: np.ndarray) -> float:
    rng = np.random.default_rng(3)
    queries = values[rng.integers(0, len(values), 40)] + 0.3 * rng.normal(size=(40, 32))
    answers = store.nearest(MANY, OURS, queries.tolist(), top_k=10, where=where)
    shares = []
    for query, answer in zip(queries, answers, strict=True):
        order = chosen[np.argsort(-(values[chosen] @ query / np.linalg.norm(values[chosen], axis=1)))[:10]]
        shares.append(len(set(names(answer)) & {f"v{place}" for place in order}) / 10)
    return float(np.mean(shares))


def test_a_large_namespace_is_searched_by_its_index_and_finds_nearly_all(
    many: EmbeddedVectors, clustered: np.ndarray
) -> None:
    everything = np.arange(len(clustered))
    assert recall(many, clustered, [], everything) >= 0.98
    assert recall(many, clustered, [AtLeast("quarter", 1)], everything[everything % 4 > 0]) >= 0.98


def test_what_a_selective_filter_leaves_is_found_whole(many: EmbeddedVectors, clustered: np.ndarray) -> None:
    everything = np.arange(len(clustered))
    assert recall(many, clustered, [Equals("rare", True)], everything[everything % 100 == 0]) == 1.0
    assert recall(many, clustered, [Equals("tenth", 3)], everything[everything % 10 == 3]) == 1.0


def index_files(folder: Path) -> list[Path]:
    return sorted((folder / "indexes").glob("*"))


@pytest.mark.parametrize("harm", ["missing", "broken", "cut"])
def test_an_index_file_that_is_lost_or_broken_costs_no_answer(
    clustered: np.ndarray, tmp_path: Path, harm: str
) -> None:
    filled(tmp_path, clustered[:6_500])
    (file,) = index_files(tmp_path)
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"nonsense" * 1_000 if harm == "broken" else file.read_bytes()[:-5_000])
    again = EmbeddedVectors(tmp_path)
    for place in (0, 3_000, 6_499):
        (answer,) = again.nearest(MANY, OURS, [clustered[place].tolist()], top_k=1)
        assert names(answer) == [f"v{place}"]


def test_an_index_that_is_behind_hides_nothing_new(clustered: np.ndarray, tmp_path: Path) -> None:
    reader = filled(tmp_path, clustered[:6_000])
    assert names(reader.nearest(MANY, OURS, [clustered[5].tolist()], top_k=1)[0]) == ["v5"]
    writer = EmbeddedVectors(tmp_path)  # as another process
    writer.upsert(MANY, OURS, [Vector("new", clustered[7_000].tolist())])
    writer.delete(MANY, OURS, ["v5"])
    writer.upsert(MANY, OURS, [Vector("v6", clustered[7_001].tolist())])
    assert names(reader.nearest(MANY, OURS, [clustered[7_000].tolist()], top_k=1)[0]) == ["new"]
    assert "v5" not in names(reader.nearest(MANY, OURS, [clustered[5].tolist()], top_k=50)[0])
    assert names(reader.nearest(MANY, OURS, [clustered[7_001].tolist()], top_k=1)[0]) == ["v6"]


def test_an_index_forgets_what_was_replaced_before_it_is_mostly_that(clustered: np.ndarray, tmp_path: Path) -> None:
    for _ in range(4):
        store = filled(tmp_path, clustered[:6_000])
    (answer,) = store.nearest(MANY, OURS, [clustered[17].tolist()], top_k=10)
    assert names(answer) == brute(clustered[:6_000], clustered[17], 10)
    assert store.count(MANY, OURS) == 6_000
    (file,) = index_files(tmp_path)
    assert file.stat().st_size < 3 * 6_000 * (32 * 2 + 16 * 2 * 8)


def test_an_erased_namespace_leaves_no_index(clustered: np.ndarray, tmp_path: Path) -> None:
    store = filled(tmp_path, clustered[:6_000])
    assert index_files(tmp_path)
    EmbeddedVectors(tmp_path).erase(MANY, OURS)
    assert index_files(tmp_path) == []
    assert store.nearest(MANY, OURS, [clustered[0].tolist()], top_k=1) == [[]]
    assert index_files(tmp_path) == []


def test_searching_while_others_write_shows_each_vector_whole(clustered: np.ndarray, tmp_path: Path) -> None:
    store = filled(tmp_path, clustered[:5_500])
    problems: list[BaseException] = []

    def write() -> None:
        other = EmbeddedVectors(tmp_path)
        for number in range(60):
            other.upsert(MANY, OURS, [Vector(f"w{number}", clustered[6_000 + number].tolist())])
            other.delete(MANY, OURS, [f"v{number}"])

    def read() -> None:
        try:
            for number in range(100, 160):
                (answer,) = store.nearest(MANY, OURS, [clustered[number].tolist()], top_k=3)
                assert names(answer)[0] == f"v{number}"
        except BaseException as problem:  # noqa: BLE001 (told below)
            problems.append(problem)

    threads = [threading.Thread(target=each) for each in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.count(MANY, OURS) == 5_500


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.one_of(st.none(), st.tuples(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32))),
            st.sampled_from(["red", "blue"]),
        ),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_written_the_store_answers_like_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, written: list[Any]
) -> None:
    store, kept = EmbeddedVectors(tmp_path_factory.mktemp("any")), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "MOST_EXACT", 1)
        patch.setattr(embedded, "MOST_BEHIND", 1)
        for name, values, colour in written:
            if values is None:
                store.delete(PLANE, OURS, [name])
                kept.pop(name, None)
            elif any(abs(value) > 1e-3 for value in values):
                store.upsert(PLANE, OURS, [Vector(name, list(values), {"colour": colour})])
                kept[name] = (values, colour)
        assert store.count(PLANE, OURS) == len(kept)
        for where, chosen in (
            ([], kept),
            ([Equals("colour", "red")], {k: v for k, v in kept.items() if v[1] == "red"}),
        ):
            (answer,) = store.nearest(PLANE, OURS, [[1.0, 2.0]], top_k=10, where=where)
            assert set(names(answer)) == set(chosen)
            scores = [match.score for match in answer]
            assert scores == sorted(scores, reverse=True)
            for match in answer:
                x, y = chosen[match.id][0]
                assert match.score == pytest.approx((x + 2 * y) / math.hypot(x, y) / math.sqrt(5), abs=1e-6)


def test_processes_that_are_killed_while_they_write_lose_nothing_that_they_had_kept(tmp_path: Path) -> None:
    kept: dict[str, int] = {}
    for round_ in range(4):
        workers = [f"{name}{round_}" for name in "ab"]
        command = [sys.executable, "-m", "tests.contract.vector_worker", str(tmp_path)]
        started = [
            subprocess.Popen([*command, worker], stdout=subprocess.PIPE, text=True, cwd=ROOT) for worker in workers
        ]
        told = [[process.stdout.readline() for _ in range(4)] for process in started if process.stdout]
        time.sleep(0.37 * round_)
        for process in started:
            process.kill()
        for worker, process, lines in zip(workers, started, told, strict=True):
            lines += process.communicate()[0].splitlines()
            kept[worker] = BATCH * len([line for line in lines if line.strip()])
    store = EmbeddedVectors(tmp_path)
    expected = {f"{worker}-{number}" for worker, count in kept.items() for number in range(count)}
    there = set(store.ids(COLLECTION, NAMESPACE))
    assert expected <= there
    # A batch that was being said when its process was killed may be there, whole.
    assert len(there - expected) <= len(kept) * BATCH
    assert len(there) % BATCH == 0
    assert store.count(COLLECTION, NAMESPACE) == len(there)
    assert len(there) > embedded.MOST_EXACT
    some = [(worker, number) for worker, count in kept.items() for number in range(0, count, 97)]
    answers = store.nearest(COLLECTION, NAMESPACE, [values_of(*each) for each in some], top_k=1)
    found = [
        names(answer) == [f"{worker}-{number}"] for (worker, number), answer in zip(some, answers, strict=True)
    ]
    assert sum(found) >= 0.98 * len(some)


# --- Pinecone ---


@pytest.fixture
def peer(pinecone: str) -> Iterator[str]:
    tell(pinecone)
    yield pinecone
    tell(pinecone)


@pytest.mark.parametrize("fault", ["429", "500", "503", "drop before", "drop after"])
def test_what_is_passing_at_pinecone_is_tried_again(peer: str, fault: str) -> None:
    vectors = at_pinecone(peer)
    keep(vectors, a=[1, 0], b=[0, 1])
    tell(peer, faults=[{"path": "/vectors/upsert", "times": 2, "fault": fault}])
    keep(vectors, c=[1, 1])
    tell(peer, faults=[{"path": "/query", "times": 2, "fault": fault}])
    assert found(vectors, [1, 0]) == ["a", "c", "b"]
    assert vectors.count(PLANE, OURS) == 3


@pytest.mark.parametrize("fault", ["429 60", "503", "drop before"])
def test_a_pinecone_that_does_not_answer_is_unavailable_before_an_http_function_ends(peer: str, fault: str) -> None:
    vectors = at_pinecone(peer, patience_s=3.0)
    keep(vectors, a=[1, 0])
    tell(peer, faults=[{"path": "/", "times": 1_000, "fault": fault}])
    for use in (lambda: found(vectors, [1, 0]), vectors.check, lambda: keep(vectors, b=[1, 0])):
        began = time.monotonic()
        with pytest.raises(UnavailableError) as raised:
            use()
        assert time.monotonic() - began < 4
        assert raised.value.code == "VECTORS_UNAVAILABLE"
        assert raised.value.details["retry_after_s"] > 0


def test_the_first_vector_waits_for_its_index_and_says_when_that_takes_too_long(peer: str) -> None:
    vectors = at_pinecone(peer, patience_s=2.0)
    tell(peer, ready_after_s=6.0)
    with pytest.raises(UnavailableError) as raised:
        vectors.upsert(PLANE, OURS, [Vector("a", [1.0, 0.0])])
    assert raised.value.code == "VECTORS_NOT_READY"
    assert vectors.nearest(PLANE, OURS, [[1.0, 0.0]], top_k=1) == [[]]
    time.sleep(6.0)
    keep(vectors, a=[1, 0])
    assert found(vectors, [1, 0]) == ["a"]


def test_two_who_make_one_index_at_once_both_write(peer: str) -> None:
    stores = [at_pinecone(peer, prefix="both"), at_pinecone(peer, prefix="both")]
    threads = [
        threading.Thread(target=store.upsert, args=(PLANE, OURS, [Vector(f"v{number}", [1.0, number])]))
        for number, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(stores[0].ids(PLANE, OURS)) == ["v0", "v1"]


def test_a_wrong_key_is_no_passing_problem(peer: str) -> None:
    given = {"prefix": "wrong", "cloud": "aws", "region": "us-east-1", "host": peer}
    with pytest.raises(Exception, match="Invalid API Key") as raised:
        PineconeVectors("pcsk_wrong", **given).check()
    assert not isinstance(raised.value, UnavailableError)
