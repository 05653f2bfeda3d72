"""Relatives at the door: photographs of LFW's families against each other's templates, at the threshold of the service.

Who is whose relative says ``data/pairs/lfw-families.csv``. A comparison is one photograph against the template of its person's
relative; beside it stand photographs against templates of other families, and against the person's own.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from facelab.datasets import FaceSet, load
from facelab.evaluation import bootstrap_over_people, wilson
from facelab.evaluation.resampling import share_over_people
from facelab.exchange.embedders import SFACE, new_embedder
from facelab.experiments.experiment import Cell, Experiment, Figures, Results
from facelab.paths import project_data
from facelab.records import Metric
from facelab.webapp.calibration import SHOTS_PER_TEMPLATE, default_calibration_file, read_calibration
from facelab.webapp.face_set_embeddings import embed_face_set
from facelab.webapp.template import make_template

DATASET, SIDE = "lfw", 112  # as notebook 10 reads it
FAMILIES_FILE = ("pairs", "lfw-families.csv")
MOST_PHOTOGRAPHS = 10  #: of a person, the first ones: George W. Bush has 530, most of the others one
DRAWS, SEED = 1000, 0  # of the intervals


def read_families() -> pd.DataFrame:
    """Pairs of relatives, a row each: ``family``, ``person``, ``relative``, ``relation``."""
    return pd.read_csv(project_data(*FAMILIES_FILE), dtype=str)


def load_relatives() -> FaceSet:
    """The first ten photographs, or as many as there are, of everybody on the list.

    Raises:
        DataMissingError: LFW is not on this machine.
    """
    faces, families = load(DATASET, SIDE), read_families()
    names = pd.Series(np.array(faces.names)[faces.identity])
    listed = names.isin(families["person"]) | names.isin(families["relative"])
    return faces.subset((listed & (names.groupby(names).cumcount() < MOST_PHOTOGRAPHS)).to_numpy())


def count_accepted(embeddings: np.ndarray, names: np.ndarray, families: pd.DataFrame, threshold: float) -> Figures:
    """How many comparisons there are, and how many are accepted, of relatives, strangers and the same person.

    The template of a person is made of the first five photographs, or of fewer where there are no five; against the own
    template, which then is made without it, each photograph of a person with two or more.

    Args:
        embeddings: float (N, D), of norm 1.
        names: (N,), whose they are.
        families: as ``read_families``; people without a photograph are left out.
        threshold: least score that is accepted.

    Returns:
        ``relatives``: a list for each pair of relatives, ``[family, relation, accepted, comparisons]``, both directions
        together; ``strangers``: two matrices, accepted and comparisons, of the families in sorted order, 0 on the diagonal;
        ``same``: ``[accepted, comparisons]`` of each of these families.
    """
    seen = families[["person", "relative"]].isin(set(names)).all(axis=1)
    pairs = families[seen]
    family_of = dict(zip(pairs["person"], pairs["family"], strict=True))
    family_of |= dict(zip(pairs["relative"], pairs["family"], strict=True))
    people = {name: number for number, name in enumerate(sorted(family_of))}
    photographs = [embeddings[names == name] for name in people]
    templates = np.stack([make_template(own[:SHOTS_PER_TEMPLATE]) for own in photographs])
    accepted = np.stack([(own @ templates.T >= threshold).sum(axis=0) for own in photographs])  # (person, claimed)
    compared = np.stack([np.full(len(people), len(own)) for own in photographs])
    same = np.array([_count_own(own, threshold) for own in photographs])

    of_family = np.array([family_of[name] for name in people])[:, None] == np.unique(list(family_of.values()))  # (P, F)
    strangers = [of_family.T @ table @ of_family for table in (accepted, compared)]
    for table in strangers:
        np.fill_diagonal(table, 0)

    def both_ways(table: np.ndarray, person: str, relative: str) -> int:
        one, other = people[person], people[relative]
        return int(table[one, other] + table[other, one])

    return {
        "relatives": [
            [
                pair.family,
                pair.relation,
                *(both_ways(table, pair.person, pair.relative) for table in (accepted, compared)),
            ]
            for pair in pairs.itertuples()
        ],
        "strangers": [table.tolist() for table in strangers],
        "same": (of_family.T @ same).tolist(),
        "people": len(people),
    }


def _count_own(embeddings: np.ndarray, threshold: float) -> tuple[int, int]:
    """Accepted and all comparisons of a person's photographs with a template of up to five of the others."""
    if len(embeddings) < 2:
        return 0, 0
    others = [np.delete(embeddings, row, axis=0)[:SHOTS_PER_TEMPLATE] for row in range(len(embeddings))]
    scores = [embedding @ make_template(rest) for embedding, rest in zip(embeddings, others, strict=True)]
    return sum(score >= threshold for score in scores), len(scores)


def grid(seeds: int) -> list[Cell]:
    """One cell: SFace, at the threshold that its calibration has."""
    listed = hashlib.sha256(project_data(*FAMILIES_FILE).read_bytes()).hexdigest()
    return [Cell((SFACE,), {**_settings(), "families": listed})]


def run(cell: Cell) -> Figures:
    """Counts, see ``count_accepted``; and the photographs, those without a face among them."""
    faces = load_relatives()
    found = embed_face_set(faces, new_embedder(SFACE))
    names = np.array(faces.names)[faces.identity[found.rows]]
    counts = count_accepted(found.embeddings, names, read_families(), cell.settings["threshold"])
    return counts | {"photographs": len(faces), "without a face": len(found.undetected_files)}


def summarise(results: Results) -> dict[str, Metric]:
    """``accepted/...``: shares of comparisons with intervals over families (n counts them); ``comparisons/...``: how many."""
    (counts,) = results.values()
    pairs = pd.DataFrame(counts["relatives"], columns=["family", "relation", "accepted", "compared"])
    kinds = {"relatives": pairs} | {f"relatives/{name}": part for name, part in pairs.groupby("relation")}
    metrics = {}
    for name, part in kinds.items():
        sums = part.groupby("family")[["accepted", "compared"]].sum()
        metrics |= _share(name, *sums.to_numpy().T)
    metrics |= _share("same person", *np.array([row for row in counts["same"] if row[1]]).T)
    metrics |= _share("strangers", *np.array(counts["strangers"]))
    once = pairs.assign(passes=pairs["accepted"] > 0).groupby("family")["passes"].agg(["sum", "count"])
    metrics["pairs of relatives, accepted at least once"] = _estimate(*once.to_numpy().T)
    numbers = {"pairs of relatives": len(pairs), "families": pairs["family"].nunique()}
    numbers |= {name: counts[name] for name in ("people", "photographs", "without a face")}
    return metrics | {name: Metric(float(number)) for name, number in numbers.items()}


def _share(name: str, accepted: np.ndarray, compared: np.ndarray) -> dict[str, Metric]:
    return {
        f"accepted/{name}": _estimate(accepted, compared),
        f"comparisons/{name}": Metric(float(compared.sum())),
    }


def _estimate(accepted: np.ndarray, compared: np.ndarray) -> Metric:
    """Sum of the ones over sum of the others, (F,) or (F, F), with an interval over the F families.

    A family that is drawn twice counts as two that are not compared with each other: the diagonal of (F, F) is 0. There
    Wilson's interval, of 76 trials for 90 000 comparisons, stands only where the share is 0 or 1.
    """
    if compared.ndim == 1:
        found = share_over_people(accepted, compared, DRAWS, SEED)
    elif (value := accepted.sum() / compared.sum()) in (0, 1):  # a bootstrap would have no width
        found = wilson(int(value) * len(compared), len(compared))
    else:

        def share(drawn: np.ndarray) -> float:
            chosen = np.ix_(drawn, drawn)
            return float(accepted[chosen].sum() / compared[chosen].sum())

        found = bootstrap_over_people(share, np.arange(len(compared)), DRAWS, SEED)
    return replace(Metric.from_estimate(found), method=found.method.replace("people", "families"))


def _settings() -> dict[str, object]:
    threshold = read_calibration(default_calibration_file(SFACE), new_embedder(SFACE)).threshold
    return {"threshold": threshold, "shots": SHOTS_PER_TEMPLATE, "most_photographs": MOST_PHOTOGRAPHS}


def parameters(seeds: int) -> dict[str, object]:
    """Of the record."""
    return {"dataset": DATASET, "embedder": SFACE, **_settings(), "draws": DRAWS, "seed": SEED}


def data() -> dict[str, dict[str, object]]:
    """Of the record: the photographs."""
    return {"relatives": load_relatives().describe()}


EXPERIMENTS = (
    Experiment(
        name="10_lfw_families", notebook="10", datasets=(DATASET,),
        shows="relatives of LFW before SFace as a door, beside strangers and the people themselves",
        grid=grid, run=run, summarise=summarise, parameters=parameters, data=data, seeds=0,
    ),
)  # fmt: skip
