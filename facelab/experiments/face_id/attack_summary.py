"""From presentations to a record: APCER by instrument, BPCER, what each feature adds, and the detector that is shipped.

``apcer/INSTRUMENT`` and ``bpcer`` are of people held out; the threshold for a fold is set on the other four.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from facelab.datasets import FaceSet, load
from facelab.evaluation import mean_over_seeds, rate_over_people
from facelab.experiments.face_id.attack_detectors import (
    TARGET_BPCER,
    cross_fitted,
    draw_folds,
    fit_linear,
    held_out_thresholds,
)
from facelab.experiments.face_id.attack_presentations import (
    BONA_FIDE,
    BONA_FIDE_UNFILMED,
    CHOSEN_EDIT,
    CHOSEN_WARP,
)
from facelab.records import Metric
from facelab.webapp.attacks import INSTRUMENTS
from facelab.webapp.liveness_features import FEATURES

CHOSEN_ALL = "one photograph, best of all"
_TRAINED_ON = (BONA_FIDE, *INSTRUMENTS)
Values = Callable[[pd.DataFrame], np.ndarray]  # of a table's rows, float (N, F)


def summarise(table: pd.DataFrame, lfw: pd.DataFrame) -> dict[str, Metric]:
    """All metrics of the record.

    Args:
        table: a row each presentation: the fields of ``Presentation``, and ``seed``.
        lfw: single frames of other people: ``instrument`` and ``spectra``.
    """
    faces = load("orl", 92)
    judged = _judge(table, faces, _features())
    metrics = _rates(judged) | _sign_up_rates(judged)
    metrics |= _model(table, judged)
    metrics |= _ablations(table, faces, lfw)
    return metrics


def _features(names: tuple[str, ...] = FEATURES) -> Values:
    columns = [FEATURES.index(name) for name in names]
    return lambda rows: np.array(rows["features"].tolist(), float)[:, columns]


def _turned_spectrum(rows: pd.DataFrame) -> np.ndarray:
    return np.array(rows["spectra"].tolist(), float)[:, 1]


def _judge(
    table: pd.DataFrame,
    faces: FaceSet,
    values: Values,
    trained_on: tuple[str, ...] = _TRAINED_ON,
    bona_fide: str = BONA_FIDE,
    lfw: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The table with ``score``, cross-fitted, ``threshold`` and ``is_live``; a frame that no liveness looked at is no face."""
    parts = []
    for seed, part in table.groupby("seed"):
        fold = draw_folds(faces, seed)
        is_seen = part["spectra"].notna() if bona_fide == BONA_FIDE_UNFILMED else part["features"].notna()
        rows = part[is_seen]
        inputs, names, person = values(rows), rows["instrument"].to_numpy(), rows["person"].to_numpy()
        if lfw is not None:  # people of no fold: trained on, never asked about
            inputs = np.concatenate([inputs, np.array(lfw["spectra"].tolist(), float)])
            names = np.concatenate([names, lfw["instrument"]])
            person, fold = np.concatenate([person, np.full(len(lfw), len(fold))]), np.append(fold, -1)
        scores = cross_fitted(inputs, names, person, fold, np.isin(names, trained_on), bona_fide)[: len(rows)]
        live = (rows["instrument"] == bona_fide) & (rows["is_past_the_rest"] | (bona_fide == BONA_FIDE_UNFILMED))
        thresholds = held_out_thresholds(scores, live.to_numpy(), rows["person"].to_numpy(), fold)
        found = part.assign(score=np.nan, threshold=np.nan)
        found.loc[rows.index, ["score", "threshold"]] = np.stack([scores, thresholds], axis=1)
        parts.append(found)
    judged = pd.concat(parts)
    return judged.assign(is_live=judged["score"] >= judged["threshold"])  # False where there is no score


def _metric(events: pd.Series, person: pd.Series) -> Metric:
    return Metric.from_estimate(rate_over_people(events.to_numpy(bool), person.to_numpy()))


def _sign_ups(judged: pd.DataFrame) -> pd.DataFrame:
    """Presentations to both sides by one person with one instrument, as a sign-up has them.

    Each row is the first of one side with the first of the other, the second with the second and so on: ``seed``, ``person``,
    ``instrument``, and ``margin``, the mean of their scores above the threshold of a log-in; NaN where one is no shot.
    """
    table = judged.assign(margin=judged["score"] - judged["threshold"])
    table["number"] = table.groupby(["seed", "person", "instrument", "side"]).cumcount()
    keys = ["seed", "person", "instrument", "number"]
    sides = [table[table["side"] == side].set_index(keys)["margin"] for side in (1, -1)]
    return ((sides[0] + sides[1]) / 2).rename("margin").reset_index()


def _sign_up_threshold(sign_ups: pd.DataFrame) -> float:
    honest = sign_ups[sign_ups["instrument"] == BONA_FIDE]["margin"].dropna()
    return float(np.quantile(honest, TARGET_BPCER))


def _sign_up_rates(judged: pd.DataFrame) -> dict[str, Metric]:
    """Of sign-ups: of honest ones the refused, of those from one photograph the accepted; the threshold is of all of them."""
    table = _sign_ups(judged)
    accepted = table["margin"] >= _sign_up_threshold(table)
    honest = (table["instrument"] == BONA_FIDE) & table["margin"].notna()
    metrics = {"sign_up/bpcer": _metric(~accepted[honest], table.loc[honest, "person"])}
    for name in INSTRUMENTS:
        rows = table["instrument"] == name
        metrics[f"sign_up/{name}"] = _metric(accepted[rows], table.loc[rows, "person"])
    for name in (CHOSEN_WARP, CHOSEN_EDIT):
        # the attacker's best of each side; a number that is missing was no shot
        rows = judged[judged["instrument"] == name]
        margin = (rows["score"] - rows["threshold"]).groupby([rows["seed"], rows["person"], rows["side"]]).max()
        best = margin.unstack("side").mean(axis=1, skipna=False).reset_index(name="margin")
        metrics[f"sign_up/{name}"] = _metric(best["margin"] >= _sign_up_threshold(table), best["person"])
    return metrics


def _rates(judged: pd.DataFrame) -> dict[str, Metric]:
    """Of the whole decision of a log-in, and as ``reached`` how many came as far as the liveness."""
    honest = judged[judged["instrument"] == BONA_FIDE]
    taken = honest[honest["is_past_the_rest"]]
    metrics = {
        "bpcer": _metric(~taken["is_live"], taken["person"]),
    }
    attacks = judged[~judged["instrument"].isin((BONA_FIDE, BONA_FIDE_UNFILMED))]
    attacks = attacks.assign(accepted=attacks["is_past_the_rest"] & attacks["is_live"])
    for name in INSTRUMENTS:
        rows = attacks[attacks["instrument"] == name]
        metrics[f"apcer/{name}"] = _metric(rows["accepted"], rows["person"])
        metrics[f"reached/{name}"] = _metric(rows["is_past_the_rest"], rows["person"])
    for name, rows in (
        (CHOSEN_WARP, attacks[attacks["instrument"] == CHOSEN_WARP]),
        (CHOSEN_EDIT, attacks[attacks["instrument"] == CHOSEN_EDIT]),
        (CHOSEN_ALL, attacks),
    ):
        best = rows.groupby(["seed", "person", "side"])[["accepted", "is_past_the_rest"]].any().reset_index()
        metrics[f"apcer/{name}"] = _metric(best["accepted"], best["person"])
        metrics[f"reached/{name}"] = _metric(best["is_past_the_rest"], best["person"])
    return metrics


def _model(table: pd.DataFrame, judged: pd.DataFrame) -> dict[str, Metric]:
    """The detector that is shipped: fitted on everybody, the mean over the seeds; its threshold is that of people held out."""
    fitted = []
    for seed, part in table[table["features"].notna() & table["instrument"].isin(_TRAINED_ON)].groupby("seed"):
        weights, intercept = fit_linear(_features()(part), part["instrument"].to_numpy(), BONA_FIDE)
        live = (judged["seed"] == seed) & (judged["instrument"] == BONA_FIDE) & judged["is_past_the_rest"]
        sign_up = _sign_up_threshold(_sign_ups(judged[judged["seed"] == seed]))
        fitted.append([*weights, intercept - np.quantile(judged.loc[live, "score"], TARGET_BPCER), sign_up])
    names = (*FEATURES, "intercept", "sign-up threshold")
    return {
        f"model/{name}": Metric.from_estimate(mean_over_seeds(values))
        for name, values in zip(names, np.transpose(fitted), strict=True)
    }


def _ablations(table: pd.DataFrame, faces: FaceSet, lfw: pd.DataFrame) -> dict[str, Metric]:
    """The detector alone, over the attacks that came as far as it: without each feature, of each alone, and passive ones."""
    metrics = {}
    variants: dict[str, Values] = {"all": _features()}
    variants |= {f"without {name}": _features(tuple(f for f in FEATURES if f != name)) for name in FEATURES}
    variants |= {f"only {name}": _features((name,)) for name in FEATURES}
    variants["all and spectrum"] = lambda rows: np.hstack([_features()(rows), _turned_spectrum(rows)])
    for name, values in variants.items():
        metrics |= _detector_alone(name, _judge(table, faces, values))
    metrics |= _detector_alone("passive", _judge(table, faces, _turned_spectrum, lfw=lfw))
    unfilmed = (BONA_FIDE_UNFILMED, *INSTRUMENTS)
    judged = _judge(table, faces, _turned_spectrum, unfilmed, BONA_FIDE_UNFILMED)
    metrics |= _detector_alone("passive, faces unfilmed", judged, BONA_FIDE_UNFILMED)
    for left_out in INSTRUMENTS:
        judged = _judge(table, faces, _features(), tuple(name for name in _TRAINED_ON if name != left_out))
        rows = judged[(judged["instrument"] == left_out) & judged["is_past_the_rest"]]
        if len(rows) and rows["person"].nunique() >= 3:
            metrics[f"unseen/{left_out}"] = _metric(rows["is_live"], rows["person"])
    return metrics


def _detector_alone(name: str, judged: pd.DataFrame, bona_fide: str = BONA_FIDE) -> dict[str, Metric]:
    attacks = judged[judged["instrument"].isin(INSTRUMENTS) & judged["is_past_the_rest"]]
    honest = judged[judged["instrument"] == bona_fide]
    if bona_fide == BONA_FIDE:
        honest = honest[honest["is_past_the_rest"]]
    return {
        f"ablation/{name}/apcer": _metric(attacks["is_live"], attacks["person"]),
        f"ablation/{name}/bpcer": _metric(~honest["is_live"], honest["person"]),
    }
