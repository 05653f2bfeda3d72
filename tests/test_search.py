"""Nearest neighbours against sorting and scikit-learn; approximate search against exact; files; and every refusal."""

import json
import sys
import warnings
import zipfile

import numpy as np
import pytest
from annoy import AnnoyIndex
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from facelab.errors import BadParameterError, FacelabError
from facelab.search import (
    ENGINES,
    AnnoyBrokenWarning,
    build_index,
    cosine_of_angular,
    exact,
    is_annoy_reliable,
    load_index,
    recall_at_k,
    recall_from_ids,
    save_index,
)
from facelab.search.storage import DATA, HEADER, IDS, SCHEMA

N, D = 600, 24
WIDE = {"exact": {}, "annoy": {"search_k": 10**6}, "faiss": {"ef_search": N}}  # as good as exact


def clustered(n: int = N, d: int = D, seed: int = 0) -> np.ndarray:
    """Ten photographs a person, not of unit norm."""
    rng = np.random.default_rng(seed)
    return np.repeat(rng.normal(size=(n // 10, d)), 10, axis=0) + 0.6 * rng.normal(size=(n, d))


VECTORS, QUERIES = clustered(), clustered(seed=1)[:40]


def index(kind: str, ids=None, vectors: np.ndarray = VECTORS, **options):
    return build_index(vectors, np.arange(len(vectors)) if ids is None else ids, kind, model="m", **options)


def cosines(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """From the formula, in float64."""
    lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)[None]
    return (queries @ vectors.T) / lengths


def sorted_by_hand(queries, vectors, k, barred=None, farthest=False):
    """Rows of the k nearest; ``barred``: rows that each query must not find."""
    scores = cosines(queries, vectors) * (-1 if farthest else 1)
    order = np.argsort(-scores, axis=1)
    barred = [[]] * len(queries) if barred is None else barred
    return np.array([[row for row in rows if row not in out][:k] for rows, out in zip(order, barred, strict=True)])


@pytest.mark.parametrize("farthest", [False, True])
@pytest.mark.parametrize("kind", ENGINES)
def test_a_search_finds_what_sorting_finds(kind, farthest):
    ids, cosine = index(kind, **WIDE[kind]).search(QUERIES, 7, farthest=farthest)
    np.testing.assert_array_equal(ids, sorted_by_hand(QUERIES, VECTORS, 7, farthest=farthest))
    true = np.take_along_axis(cosines(QUERIES, VECTORS), ids, axis=1)
    np.testing.assert_allclose(cosine, true, atol=1e-5)
    steps = np.diff(cosine, axis=1)
    assert (steps >= 0).all() if farthest else (steps <= 0).all()
    assert ids.shape == cosine.shape == (40, 7) and cosine.dtype == np.float32


def test_exact_agrees_with_scikit_learn_whole_and_in_pieces(monkeypatch):
    neighbours = NearestNeighbors(metric="cosine", algorithm="brute").fit(VECTORS)
    for scores, k in ((exact.MAX_SCORES, 9), (exact.MAX_SCORES, 300), (7 * N, 9), (1, N)):
        monkeypatch.setattr(exact, "MAX_SCORES", scores)
        distance, rows = neighbours.kneighbors(QUERIES, k)
        ids, cosine = index("exact").search(QUERIES, k)
        np.testing.assert_array_equal(ids[:, :9], rows[:, :9])
        assert all(set(one) == set(right) for one, right in zip(ids, rows, strict=True))
        np.testing.assert_allclose(cosine, 1 - distance, atol=1e-6)


@pytest.mark.parametrize("kind", ENGINES)
@given(n=st.integers(1, 40), d=st.integers(1, 12), m=st.integers(1, 5), seed=st.integers(0, 10**6), data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_shape_gives_k_different_neighbours(kind, n, d, m, seed, data):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-15, 15, size=(n, 1))
    vectors[rng.random(n) < 0.3] = vectors[0]  # the same face, again and again
    queries, k = rng.normal(size=(m, d)), data.draw(st.integers(1, n))
    ids, cosine = index(kind, vectors=vectors).search(queries, k)
    assert ids.shape == cosine.shape == (m, k) and all(len(set(row)) == k for row in ids)
    np.testing.assert_allclose(cosine, np.take_along_axis(cosines(queries, vectors), ids, axis=1), atol=2e-5)
    if kind == "exact":
        np.testing.assert_allclose(cosine, -np.sort(-cosines(queries, vectors), axis=1)[:, :k], atol=2e-5)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_crowd_of_one_face_and_too_little_effort_still_give_k(kind):
    """Annoy's trees show the same vectors again, and HNSW loses the way among equals: both go on until there are k."""
    crowd = np.concatenate([np.ones((300, 4)), np.eye(4)])
    little = {"exact": {}, "annoy": {"trees": 3, "search_k": 1}, "faiss": {"m": 2, "ef_search": 1}}[kind]
    ids, cosine = index(kind, vectors=crowd, **little).search(np.ones((2, 4)), 304)
    assert all(sorted(row) == list(range(304)) for row in ids)
    np.testing.assert_allclose(cosine[:, 300:], 0.5, atol=1e-6)


IDS_OF_ALL_SORTS = {
    "names": [f"person_{i:04d}/é{i}.jpg" for i in range(N)],
    "large": [2**62 - 7 * i for i in range(N)],
    "negative": -3 * np.arange(N, dtype=np.int32),
    "unsigned": np.arange(N, dtype=np.uint64),
    "object": np.array([f"p{i}" for i in range(N)], dtype=object),
}


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("sort", IDS_OF_ALL_SORTS)
def test_ids_come_back_as_they_were_given(tmp_path, kind, sort):
    ids = IDS_OF_ALL_SORTS[sort]
    built = index(kind, ids, **WIDE[kind])
    save_index(built, tmp_path / "i")
    for one in (built, load_index(tmp_path / "i", model="m", dimension=D)):
        found, _ = one.search(QUERIES, 3, exclude=[ids[row] for row in range(40)])
        rows = sorted_by_hand(QUERIES, VECTORS, 3, barred=[[row] for row in range(40)])
        assert found.tolist() == [[ids[row] for row in three] for three in rows]


def test_sparse_ids_take_no_more_room_in_annoy():
    assert index("annoy", 10**15 * np.arange(N)).engine.forest.get_n_items() == N


@pytest.mark.parametrize("farthest", [False, True])
@pytest.mark.parametrize("kind", ENGINES)
def test_the_query_itself_is_left_out_by_its_id(kind, farthest):
    """A copy of the photograph under another id stays a neighbour."""
    vectors = np.concatenate([VECTORS, VECTORS[:1]])
    built = index(kind, vectors=vectors, **WIDE[kind])
    queries, own = vectors[:50], np.arange(50)
    ids, cosine = built.search(queries, 6, exclude=own, farthest=farthest)
    assert ids.shape == (50, 6) and not (ids == own[:, None]).any()
    # the two copies are equally near: either may come first
    np.testing.assert_array_equal(ids % N, sorted_by_hand(queries, vectors, 6, own[:, None], farthest) % N)
    if not farthest:
        assert ids[0, 0] == N and cosine[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", ENGINES)
def test_all_renderings_of_a_photograph_are_left_out(kind):
    groups = np.arange(N).reshape(-1, 5)[np.arange(30) // 5]
    ids, _ = index(kind, **WIDE[kind]).search(VECTORS[:30], 8, exclude=groups)
    np.testing.assert_array_equal(ids, sorted_by_hand(VECTORS[:30], VECTORS, 8, groups))


@pytest.mark.parametrize(
    ("kind", "options", "least"),
    [("annoy", {}, 0.95), ("annoy", {"trees": 1, "search_k": 1}, 0.1), ("faiss", {}, 0.98)],
)
def test_recall_is_counted_against_exact(kind, options, least):
    approximate, truth = index(kind, **options), index("exact")
    rows = np.arange(100)
    recall = recall_at_k(approximate, truth, VECTORS[:100], 10, exclude=rows)
    found, right = (
        approximate.search(VECTORS[:100], 10, rows)[0],
        sorted_by_hand(VECTORS[:100], VECTORS, 10, rows[:, None]),
    )
    slow = np.mean([len(set(one) & set(two)) / 10 for one, two in zip(found, right, strict=True)])
    assert recall.value == pytest.approx(slow) and least <= slow <= (0.8 if options else 1)
    assert recall.low <= recall.value <= recall.high and (recall.n, recall.unit) == (100, "queries")
    assert recall_at_k(truth, truth, QUERIES, 5).value == 1
    assert recall_at_k(truth, truth, QUERIES, 5).low < 0.95  # forty queries cannot show more


def test_the_interval_of_a_recall_holds_the_truth():
    """Queries whose hits go together, as they do where a query lies far from all faces."""
    rng, held = np.random.default_rng(0), 0
    right = np.tile(np.arange(10), (60, 1))
    for _ in range(200):
        hits = rng.binomial(10, rng.choice([0.0, 1.0, 0.9], p=[0.1, 0.5, 0.4], size=60))
        estimate = recall_from_ids(np.where(right < hits[:, None], right, -1), right)
        held += estimate.low <= 0.86 <= estimate.high
    assert held >= 190


def test_a_recall_needs_an_exact_index_of_the_same_faces():
    truth = index("exact")
    others = (index("annoy"), index("exact", np.arange(N) + 1), build_index(VECTORS, np.arange(N), model="n"))
    for other in others:
        with pytest.raises(BadParameterError, match="Compare with an exact index of the same"):
            recall_at_k(truth, other, QUERIES, 3)


@pytest.mark.parametrize("degrees", [0, 1, 60, 90, 120, 180])
def test_the_cosine_of_annoys_distance(degrees):
    angle = np.radians(degrees)
    forest = AnnoyIndex(2, "angular")
    for row, vector in enumerate([(3.0, 0.0), (np.cos(angle), np.sin(angle))]):
        forest.add_item(row, vector)
    forest.build(1)
    assert cosine_of_angular(forest.get_distance(0, 1)) == pytest.approx(np.cos(angle), abs=1e-6)


def test_equal_seeds_give_equal_forests():
    few = {"trees": 2, "search_k": 5}
    first, again, other = (index("annoy", seed=seed, **few).search(QUERIES, 5)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_options_reach_the_libraries():
    forest = index("annoy", trees=7)
    assert forest.engine.forest.get_n_trees() == 7
    own = [forest.engine.forest.get_nns_by_vector(query / np.linalg.norm(query), 5) for query in QUERIES]
    np.testing.assert_array_equal(forest.search(QUERIES, 5)[0], own)  # Annoy's own effort
    built = index("faiss", m=5, ef_construction=33)  # kept: its hnsw is a bare pointer into it
    hnsw = built.engine.graph.hnsw
    assert (hnsw.nb_neighbors(1), hnsw.nb_neighbors(0), hnsw.efConstruction) == (5, 10, 33)


@pytest.mark.parametrize(
    ("kind", "little", "much", "fixed"),
    [
        ("annoy", {"trees": 3, "search_k": 5}, {"search_k": 5000}, "trees"),
        ("faiss", {"m": 4, "ef_search": 1}, {"ef_search": 600}, "m"),
    ],
)
def test_the_effort_can_change_after_the_building(kind, little, much, fixed):
    built, truth = index(kind, **little), index("exact")
    more = built.with_options(**much)
    assert more.options == built.options | much and built.options | little == built.options
    assert recall_at_k(built, truth, QUERIES, 10).value < 1 == recall_at_k(more, truth, QUERIES, 10).value
    with pytest.raises(BadParameterError, match=f"no option '{fixed}'"):
        built.with_options(**{fixed: 9})


class OneNeighbour(AnnoyIndex):
    """As some builds of Annoy are."""

    def get_nns_by_vector(self, vector, n, search_k=-1, include_distances=False):
        return super().get_nns_by_vector(vector, 1, search_k, include_distances)


class WrongNeighbours(AnnoyIndex):
    def get_nns_by_vector(self, vector, n, search_k=-1, include_distances=False):
        rows, distances = super().get_nns_by_vector(vector, n, search_k, include_distances)
        return rows[::-1], distances


class WrongDistances(AnnoyIndex):
    def get_nns_by_vector(self, vector, n, search_k=-1, include_distances=False):
        rows, distances = super().get_nns_by_vector(vector, n, search_k, include_distances)
        return rows, [distance / 2 for distance in distances]


@pytest.fixture
def fresh_test():
    """The self-test runs once a process; here it runs again."""
    is_annoy_reliable.cache_clear()
    yield
    is_annoy_reliable.cache_clear()


@pytest.mark.parametrize("broken", [OneNeighbour, WrongNeighbours, WrongDistances])
def test_a_broken_annoy_is_noticed_and_the_search_is_exact(tmp_path, monkeypatch, fresh_test, broken):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_index(index("annoy"), tmp_path / "i")
    is_annoy_reliable.cache_clear()
    monkeypatch.setattr("facelab.search.annoy.AnnoyIndex", broken)
    with pytest.warns(AnnoyBrokenWarning, match="The search is exact"):
        built = index("annoy", trees=7)
    assert (built.kind, built.options) == ("exact", {})
    np.testing.assert_array_equal(built.search(QUERIES, 5)[0], sorted_by_hand(QUERIES, VECTORS, 5))
    with pytest.raises(FacelabError, match="Annoy finds wrong neighbours.*exact"):
        load_index(tmp_path / "i", model="m", dimension=D)


def test_without_faiss_the_extra_is_named(tmp_path, monkeypatch):
    save_index(index("faiss"), tmp_path / "i")
    monkeypatch.setitem(sys.modules, "faiss", None)
    for ask in (lambda: index("faiss"), lambda: load_index(tmp_path / "i", model="m", dimension=D)):
        with pytest.raises(FacelabError, match=r"pip install 'facelab\[ann\]'"):
            ask()


def spoilt(row, value):
    vectors = VECTORS.copy()
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (spoilt(3, 0), "Row 3 of the 600 vectors"),
        (spoilt([4, 9], np.nan), "Rows 4, 9 of the 600"),
        (spoilt(slice(0, 8), np.inf), "Rows 0, 1, 2, 3, 4 and 3 more of"),
        (spoilt(5, 1e300), "Row 5"),
        (spoilt(5, 1e-40), "Row 5"),
        (VECTORS[0], r"shape \(24,\)"),
        (VECTORS[None], r"shape \(1, 600, 24\)"),
        (VECTORS[:0], r"shape \(0, 24\)"),
        (VECTORS[:, :0], r"shape \(600, 0\)"),
        (VECTORS.astype(str), "<U32"),
        (VECTORS > 0, "bool"),
        (VECTORS + 1j, "complex"),
    ],
)
@pytest.mark.parametrize("kind", ENGINES)
def test_vectors_that_cannot_be_searched_are_named(kind, vectors, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy's own would come without the row
        with pytest.raises(BadParameterError, match=said):
            build_index(vectors, np.arange(N), kind, model="m")


def test_numbers_of_any_precision_are_searched():
    whole = np.round(4 * VECTORS)
    expected = index("exact", vectors=whole).search(QUERIES, 5)[1]
    for kind in (np.int16, np.float16, np.float32):
        np.testing.assert_allclose(
            index("exact", vectors=whole.astype(kind)).search(QUERIES, 5)[1], expected, atol=1e-6
        )
    given_vectors = VECTORS.copy()
    index("exact", vectors=given_vectors)
    np.testing.assert_array_equal(given_vectors, VECTORS)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"ids": [0, 1, 1, 2]}, "1 ids are there again .first 1"),
        ({"ids": list("abca")}, "1 ids are there again .first 'a'"),
        ({"ids": [0, 1, 2]}, r"4 vectors, ids of shape \(3,\)"),
        ({"ids": [[0, 1], [2, 3]]}, r"ids of shape \(2, 2\)"),
        ({"ids": [1, "1", 2, 3]}, "types int, str"),
        ({"ids": [0.0, 1.0, 2.0, 3.0]}, "type.* float"),
        ({"ids": [True, False, 2, 3]}, "bool, int"),
        ({"ids": [2**64, 1, 2, 3]}, "64 bits"),
        ({"kind": "kdtree"}, "'kdtree'.*exact, annoy, faiss"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"trees": 5}, "'exact' has no option 'trees'.*none"),
        ({"kind": "annoy", "tree": 5}, "no option 'tree'.*trees, search_k, seed"),
        ({"kind": "annoy", "trees": 0}, "trees is 0.*from 1"),
        ({"kind": "annoy", "trees": 2.5}, "trees is 2.5"),
        ({"kind": "annoy", "trees": True}, "trees is True"),
        ({"kind": "annoy", "search_k": -2}, "search_k is -2"),
        ({"kind": "annoy", "seed": 2**31}, "seed is 2147483648"),
        ({"kind": "faiss", "m": 1}, "m is 1"),
        ({"kind": "faiss", "ef_search": "64"}, "ef_search is '64'"),
    ],
)
def test_an_index_that_cannot_be_built_says_why(how, said):
    how = {"ids": range(4), "model": "m"} | how
    with pytest.raises(BadParameterError, match=said):
        build_index(np.eye(4), **how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"k": 601}, "601 neighbours, 0 excluded, of an index of 600.*1 to 600"),
        ({"k": 600, "exclude": range(40)}, "1 excluded.*1 to 599"),
        ({"k": 0}, "0 neighbours"),
        ({"k": 2.0}, "2.0 neighbours"),
        ({"queries": QUERIES[:, :5]}, r"queries are float64 of shape \(40, 5\).*\(N, 24\)"),
        ({"queries": QUERIES[0]}, "one row a face"),
        ({"queries": np.zeros((2, D))}, "Rows 0, 1 of the 2 queries"),
        ({"exclude": range(39)}, r"40 queries, ids to exclude of shape \(39,\)"),
        ({"exclude": np.zeros((40, 1, 1), int)}, "40 queries, ids"),
        ({"exclude": range(570, 610)}, "10 ids to exclude are not in the index .first 600"),
        ({"exclude": [str(row) for row in range(40)]}, "40 ids to exclude are not in the index .first '0'"),
        ({"exclude": [[1, 2]] * 39 + [[1]]}, "types list"),
    ],
)
@pytest.mark.parametrize("kind", ENGINES)
def test_a_search_that_cannot_be_says_why(kind, how, said):
    with pytest.raises(BadParameterError, match=said):
        index(kind).search(**({"queries": QUERIES, "k": 3} | how))


@pytest.mark.parametrize("kind", ENGINES)
def test_an_index_comes_back_from_its_file(tmp_path, kind):
    options = {"exact": {}, "annoy": {"trees": 4, "search_k": 30, "seed": 5}, "faiss": {"m": 4, "ef_search": 3}}[kind]
    path = tmp_path / "deep" / "index"
    built = index(kind, **options)
    before = built.search(QUERIES, 6)
    save_index(built, path)
    loaded = load_index(path, model="m", dimension=D)
    assert (loaded.kind, loaded.model, len(loaded), loaded.dimension) == (kind, "m", N, D)
    assert loaded.options == built.options == built.options | options
    save_index(loaded, tmp_path / "again")
    for one in (built, loaded, load_index(tmp_path / "again", model="m", dimension=D)):
        for found, expected in zip(one.search(QUERIES, 6), before, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert [file.name for file in path.parent.iterdir()] == ["index"]


def rewritten(header=None, **parts):
    """Spoil a file: fields of the header changed, members replaced or (None) left out."""

    def spoil(path):
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        content[HEADER] = json.dumps(json.loads(content[HEADER]) | (header or {})).encode()
        content = {name: data for name, data in (content | parts).items() if data is not None}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)

    return spoil


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def pickled_ids(path):
    np.save(path.with_suffix(".npy"), np.array([{}] * N, dtype=object))
    rewritten(**{IDS: path.with_suffix(".npy").read_bytes()})(path)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "There is no index"),
        (lambda path: path.write_bytes(b""), "not an index"),
        (lambda path: path.write_text("hello"), "not an index"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not an index"),
        (lambda path: path.write_bytes(path.read_bytes()[: 20 * N]), "not an index"),
        (flipped, "not an index.*CRC"),
        (pickled_ids, "not an index.*allow_pickle"),
        (rewritten(**{HEADER: b"[1]"}), "not an index"),
        (rewritten(**{HEADER: b"{"}), "not an index"),
        (rewritten(**{HEADER: b"[" * 100_000}), "not an index"),
        (rewritten(**{HEADER: None}), "not an index"),
        (rewritten(**{IDS: None}), "not an index"),
        (rewritten(**{DATA: None}), "not an index"),
        (rewritten(**{DATA: b""}), "not an index"),
        (rewritten(**{DATA: b"hello" * 100}), "not an index"),
        (rewritten(header={"schema": SCHEMA + 1}), f"schema {SCHEMA + 1}, later than {SCHEMA}.*Update"),
        (rewritten(header={"schema": "1"}), "not an index"),
        (rewritten(header={"kind": "ball"}), "not an index"),
        (rewritten(header={"count": N - 1}), "not an index"),
        (rewritten(header={"options": None}), "not an index"),
        (rewritten(header={"options": {"colour": 1}}), "not an index.*colour"),
        (rewritten(header={"model": "other"}), "index of the model other, not m.*Build it again"),
        (rewritten(header={"dimension": 99}), "index of the dimension 99, not 24"),
    ],
)
def test_a_file_that_is_no_index_is_one_clear_error(tmp_path, kind, spoil, said):
    path = tmp_path / "index"
    save_index(index(kind), path)
    spoil(path)
    with pytest.raises(FacelabError, match=said) as error:
        load_index(path, model="m", dimension=D)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("dimension", [12, 23, 48])
def test_data_of_another_dimension_than_the_header_tells(tmp_path, kind, dimension):
    path = tmp_path / "index"
    save_index(index(kind), path)
    rewritten(header={"dimension": dimension})(path)
    with pytest.raises(FacelabError, match="not an index"):
        load_index(path, model="m", dimension=dimension)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "index"
    save_index(index("exact"), path)
    before = path.read_bytes()

    def full(self, stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exact.ExactEngine, "write", full)
    with pytest.raises(FacelabError, match="cannot be written .No space left"):
        save_index(index("exact", np.arange(N) + 1), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_nothing_can_be_added_once_it_is_built():
    built = index("annoy")
    assert not [name for name in dir(built) if "add" in name or "append" in name]
    with pytest.raises(AttributeError):
        built.ids = np.arange(3)
