"""Exercise of notebook 06: the search of Annoy, through trees whose planes halve the vectors again and again."""

from __future__ import annotations

import numpy as np

from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value

Tree = tuple | np.ndarray  #: a plane and what lies on its two sides (normal, below, above), or, at the end, rows (n,)


def plant_forest(vectors: np.ndarray, trees: int, leaf_size: int, seed: int) -> list[Tree]:
    """Trees as Annoy builds them: each plane lies half-way between two vectors drawn at random.

    Args:
        vectors: float (N, D), rows of norm 1.
        trees: how many, at least 1.
        leaf_size: a leaf holds at most so many rows, at least 1.
        seed: of the NumPy generator.
    """
    rng = np.random.default_rng(seed)
    return [_grow(np.asarray(vectors), np.arange(len(vectors)), leaf_size, rng) for _ in range(trees)]


def _grow(vectors: np.ndarray, rows: np.ndarray, leaf_size: int, rng: np.random.Generator) -> Tree:
    if len(rows) <= leaf_size:
        return rows
    first, second = vectors[rng.choice(rows, 2, replace=False)]
    normal = (first - second) / max(np.linalg.norm(first - second), 1e-12)
    above = vectors[rows] @ normal > 0
    if above.all() or not above.any():  # equal vectors, which no plane parts
        return rows
    return normal, _grow(vectors, rows[~above], leaf_size, rng), _grow(vectors, rows[above], leaf_size, rng)


def search_forest(query: np.ndarray, trees: list, vectors: np.ndarray, k: int, search_k: int) -> np.ndarray:
    """Rows of the k most similar of the candidates, the most similar first: (k,), fewer where there are fewer candidates."""
    waiting = [(np.inf, tree) for tree in trees]
    met = []
    while waiting and len(met) < search_k:
        best = max(range(len(waiting)), key=lambda place: waiting[place][0])
        priority, node = waiting.pop(best)
        if isinstance(node, tuple):
            normal, below, above = node
            margin = float(normal @ query)
            waiting.append((min(priority, margin), above))
            waiting.append((min(priority, -margin), below))
        else:
            met.extend(node)
    candidates = np.unique(np.array(met, dtype=int))
    cosine = vectors[candidates] @ query
    return candidates[np.argsort(-cosine)[:k]]


def _leaves(query: np.ndarray, tree: Tree, priority: float = np.inf) -> list[tuple[float, np.ndarray]]:
    """Every leaf of a tree with its priority, found without a queue: the smallest signed margin on the way to it."""
    if not isinstance(tree, tuple):
        return [(priority, tree)]
    normal, below, above = tree
    margin = float(normal @ query)
    return _leaves(query, below, min(priority, -margin)) + _leaves(query, above, min(priority, margin))


def _cases() -> tuple[np.ndarray, list[Tree], list[tuple[np.ndarray, int, np.ndarray]]]:
    """Vectors, a forest, and (query, search_k, expected five rows).

    Two leaves behind one plane may have the same priority, and any order among them is right. Each search_k is therefore
    the number of rows in all leaves down to some priority: whatever the order, these are met, and no others.
    """
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(90, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    trees = plant_forest(vectors, trees=3, leaf_size=5, seed=1)
    cases = []
    for query in vectors[::9] + rng.normal(scale=0.3, size=(10, 6)):
        query = query / np.linalg.norm(query)
        leaves = [leaf for tree in trees for leaf in _leaves(query, tree)]
        for level in (2, 5, 9):
            lowest = np.unique([priority for priority, _ in leaves])[::-1][level]
            met = np.concatenate([rows for priority, rows in leaves if priority >= lowest])
            candidates = np.unique(met)
            best = candidates[np.argsort(-vectors[candidates] @ query)][:5]
            if len(best) == 5:
                cases.append((query, len(met), best))
    return vectors, trees, cases


def _check_forest(answer) -> None:
    vectors, trees, cases = _cases()
    query, search_k, _ = cases[0]
    first = answer(query.copy(), list(trees), vectors.copy(), 5, search_k)
    require_returned(first)
    require(np.ndim(first) == 1, f"return the rows of one query, (k,). Yours has the shape {np.shape(first)}.")
    found = []
    for query, search_k, _ in cases:
        rows = np.asarray(answer(query.copy(), list(trees), vectors.copy(), 5, search_k))
        require(
            len(np.unique(rows)) == len(rows),
            f"{rows.tolist()}: a row comes twice. Several trees show the same vector; keep it once among the candidates.",
        )
        require(len(rows) == 5, f"k = 5 and enough candidates, and you return {len(rows)} rows.")
        require(
            np.issubdtype(rows.dtype, np.integer) and bool((rows >= 0).all() and (rows < len(vectors)).all()),
            "return the rows of the vectors, numbers from 0 to 89.",
        )
        require(
            bool((np.diff(vectors[rows] @ query) <= 1e-12).all()),
            "the rows are not in the order of their cosines. The trees only say where to look: compare the candidates with "
            "the query itself, and sort them.",
        )
        found.append(rows)
    for wrong, message in _FOREST_MISTAKES.values():
        rows = [wrong(query, trees, vectors, 5, search_k) for query, search_k, _ in cases]
        if all(len(one) == 5 for one in rows):
            refuse(found, rows, message)
    require_value(found, [best for *_, best in cases], f"{len(cases)} searches of 90 vectors in 3 trees")
    few = answer(query.copy(), list(trees), vectors.copy(), 40, 1)
    require(len(few) <= 5, f"search_k = 1 meets one leaf of at most 5 rows, yours returns {len(few)} rows.")
    everything = answer(query.copy(), list(trees), vectors.copy(), 5, 10_000)
    exact = np.argsort(-vectors @ query)[:5]
    require_value(everything, exact, "search_k larger than the forest, which is an exact search")


def _search(priority_of, best=max, enough=lambda met, search_k: len(met) >= search_k):
    """A search with another priority (old, margin), another choice from the queue or another end: typical mistakes."""

    def answer(query, trees, vectors, k, search_k):
        waiting, met = [(np.inf, tree) for tree in trees], []
        while waiting and not enough(met, search_k):
            priority, node = waiting.pop(waiting.index(best(waiting, key=lambda entry: entry[0])))
            if isinstance(node, tuple):
                margin = float(node[0] @ query)
                waiting += [(priority_of(priority, -margin), node[1]), (priority_of(priority, margin), node[2])]
            else:
                met.extend(node)
        return _nearest(query, vectors, np.unique(np.array(met, dtype=int)), k)

    return answer


def _nearest(query, vectors, candidates, k):
    return candidates[np.argsort(-(vectors[candidates] @ query))[:k]]


def _one_leaf(query, tree):
    while isinstance(tree, tuple):
        tree = tree[2] if tree[0] @ query > 0 else tree[1]
    return tree


def _one_way(query, trees, vectors, k, search_k):
    return _nearest(query, vectors, np.unique(np.concatenate([_one_leaf(query, tree) for tree in trees])), k)


def _by_tree(query, trees, vectors, k, search_k):
    parts = [search_forest(query, [tree], vectors, len(vectors), search_k) for tree in trees]
    return _nearest(query, vectors, np.unique(np.concatenate(parts)), k)


def _depth_first(query, trees, vectors, k, search_k):
    waiting, met = list(trees), []
    while waiting and len(met) < search_k:
        node = waiting.pop()
        if isinstance(node, tuple):
            above = node[0] @ query > 0
            waiting += [node[1], node[2]] if above else [node[2], node[1]]
        else:
            met.extend(node)
    return _nearest(query, vectors, np.unique(np.array(met, dtype=int)), k)


_FOREST_MISTAKES = {
    "one leaf of each tree": (
        _one_way,
        "you look into one leaf of each tree. As long as search_k is not reached, go on with the most promising branch that "
        "waits.",
    ),
    "every tree": (
        _by_tree,
        "you meet search_k vectors in each tree. search_k counts those of all trees together: one queue for all.",
    ),
    "exact": (
        lambda query, trees, vectors, k, search_k: np.argsort(-vectors @ query)[:k],
        "these are the exact neighbours, also those that the trees do not show. Compare the query with the candidates alone.",
    ),
    "sides exchanged": (
        _search(lambda old, margin: min(old, -margin)),
        "the sides are exchanged: where normal @ query is positive, the query lies above the plane.",
    ),
    "distance to the plane": (
        _search(lambda old, margin: min(old, abs(margin))),
        "both sides of a plane get the same priority. The far side gets the margin with the minus sign.",
    ),
    "worst first": (
        _search(min, best=min),
        "you take the least promising branch out of the queue. Take the one with the largest priority.",
    ),
    "one leaf too many": (
        _search(min, enough=lambda met, search_k: len(met) > search_k),
        "you go on when search_k vectors have been met. Stop as soon as there are search_k or more.",
    ),
    "depth first": (
        _depth_first,
        "you go on with the branch that was added last, to the end of one tree. Take the most promising one of all trees.",
    ),
}
SEARCH_FOREST = Exercise(
    "6.5 a search through a forest",
    search_forest,
    _check_forest,
    mistakes=_FOREST_MISTAKES
    | {
        "rows twice": (
            lambda query, trees, vectors, k, search_k: _nearest(
                query, vectors, np.concatenate([_one_leaf(query, tree) for tree in trees]), k
            ),
            "a row comes twice",
        ),
        "in the order met": (lambda *inputs: np.sort(search_forest(*inputs)), "not in the order of their cosines"),
        "least similar first": (lambda *inputs: search_forest(*inputs)[::-1], "not in the order of their cosines"),
        "the best alone": (lambda *inputs: search_forest(*inputs)[0], "return the rows of one query"),
        "filled up": (
            lambda query, trees, vectors, k, search_k: search_forest(query, trees, vectors, k, max(search_k, k)),
            "search_k = 1 meets one leaf",
        ),
    },
    minutes=35,
    difficulty=5,
    importance=3,
    hints=(
        "Keep a list of pairs (priority, node) that wait. At the start it holds all trees, with an infinite priority. "
        "What does the loop take out of it, what does it put in, and when does it end?",
        "A node that is a tuple puts its two sides into the list: the side above with `min(priority, margin)`, the one below "
        "with `min(priority, -margin)`. A leaf adds its rows to those met. At the end: `np.unique`, cosines, sort, cut at k.",
    ),
)
