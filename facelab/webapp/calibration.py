"""The threshold of the service, measured: a file that says on whom, at which target rate, and how sure that is.

    found = embed_face_set(faces, embedder)
    comparisons = compare_with_templates(found.embeddings, faces.identity[found.rows])
    calibration = calibrate(comparisons, embedder, faces.describe(), target_fmr=0.001)
    write_calibration(calibration, project_data("calibration", "sface.json"))

"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from facelab.datasets.pairs import Pairs
from facelab.errors import BadParameterError, FacelabError
from facelab.evaluation import Estimate, rate_over_people, threshold_at_fmr
from facelab.evaluation.intervals import percentile_interval, wilson_at_ends
from facelab.evaluation.pair_weights import PairWeights
from facelab.evaluation.resampling import METHOD
from facelab.exchange.embedders import SFACE, Embedder
from facelab.files import read_json_object, write_json
from facelab.paths import project_data
from facelab.webapp import template
from facelab.whole_numbers import is_whole_number

SCHEMA_VERSION = 1  #: raised when the meaning of a field changes
SHOTS_PER_TEMPLATE = 5  #: photographs of a template, as many as a sign-up takes
_HIGHEST_TARGET = 0.5  # of a rate of strangers; above it they are let in rather than kept out


@dataclass(frozen=True)
class IdentificationThreshold:
    """The threshold of an identification (who-am-I): a stranger's photograph against all templates.

    Attributes:
        threshold: least score of the best template; never below that of a log-in.
        target_fpir: share of strangers' photographs that may be given a name.
        fpir: that share at this threshold, of the same photographs, with its interval over people.
        gallery: number of templates searched; with more accounts the share grows.
        searches: number of strangers' photographs.
    """

    threshold: float
    target_fpir: float
    fpir: Estimate
    gallery: int
    searches: int


@dataclass(frozen=True)
class Calibration:
    """What was measured for one embedder on one data set.

    Attributes:
        embedder, fingerprint: as ``Embedder``.
        dataset: ``FaceSet.describe()`` of the photographs.
        missed: photographs without a face; they are in no rate.
        shots: photographs of each template.
        seed: of the choice of these and of the intervals.
        target_fmr: share of impostors' photographs that may be accepted.
        threshold: least score that is accepted.
        fmr: share of impostors' photographs accepted at the threshold, which was set on the same people: close to the target by
            construction; its interval over people is what it tells.
        fnmr: share of a person's other photographs refused.
        genuine, impostors: numbers of comparisons.
        identify: see ``IdentificationThreshold``.
        command: what made the file.
        date: when, UTC.
    """

    embedder: str
    fingerprint: str
    dataset: Mapping[str, object]
    missed: int
    shots: int
    seed: int
    target_fmr: float
    threshold: float
    fmr: Estimate
    fnmr: Estimate
    genuine: int
    impostors: int
    identify: IdentificationThreshold
    command: str
    date: str

    def __str__(self) -> str:
        return (
            f"threshold {self.threshold:.3f} for a false match rate of {100 * self.target_fmr:g} % "
            f"(95 % interval over {self.fmr.n} people: {100 * self.fmr.low:.2g} to {100 * self.fmr.high:.2g} %), "
            f"on {self.dataset.get('source', 'a data set')}"
        )


@dataclass(frozen=True, eq=False)
class TemplateComparisons:
    """Photographs against templates, each comparison a pair of rows: N photographs, then P templates.

    Attributes:
        scores: float64, of each pair.
        pairs: a photograph and a template; none of a photograph with a template that it is in.
        person: int (N + P,), whose the rows are, 0 to P - 1.
        templates: float32 (P, D).
        best_impostor_scores: float64 (N,), of each photograph the best score with another person's template.
        shots: photographs of each template.
        seed: of their choice.
    """

    scores: np.ndarray
    pairs: Pairs
    person: np.ndarray
    templates: np.ndarray
    best_impostor_scores: np.ndarray
    shots: int
    seed: int


def compare_with_templates(
    embeddings: np.ndarray, identity: np.ndarray, shots: int = SHOTS_PER_TEMPLATE, seed: int = 0
) -> TemplateComparisons:
    """Enrol everybody by ``shots`` photographs drawn at random, and compare the photographs with all templates.

    Genuine comparisons: a person's other photographs with the own template. Impostor comparisons: all photographs with every
    other person's template; none of them is in it.

    Args:
        embeddings: float (N, D), photographs of people with more than ``shots`` each.
        identity: int (N,).
        shots: photographs of a template.
        seed: of the NumPy generator.

    Raises:
        BadParameterError: fewer than 3 people, or a person with too few photographs.
    """
    people, owner, count = np.unique(identity, return_inverse=True, return_counts=True)
    if len(people) < 3 or count.min() <= shots:
        raise BadParameterError(
            f"{len(people)} people, the least with {count.min(initial=0)} photographs.",
            f"Give 3 people or more with at least {shots + 1} photographs each.",
        )
    rng = np.random.default_rng(seed)
    enrolled = np.concatenate([rng.permutation(np.flatnonzero(owner == p))[:shots] for p in range(len(people))])
    templates = np.stack([template.make_template(embeddings[rows]) for rows in enrolled.reshape(len(people), shots)])
    scores = np.asarray(embeddings, np.float64) @ templates.T.astype(np.float64)  # (N, P)
    own = owner[:, None] == np.arange(len(people))

    photo, column = (part.ravel() for part in np.indices(scores.shape))
    kept = ~(own.ravel() & np.isin(photo, enrolled))
    photo, column = photo[kept], column[kept]
    return TemplateComparisons(
        scores=scores[photo, column],
        pairs=Pairs(photo, len(owner) + column, own[photo, column], np.zeros(len(photo), np.int64)),
        person=np.concatenate([owner, np.arange(len(people))]),
        templates=templates,
        best_impostor_scores=np.where(own, -np.inf, scores).max(axis=1),
        shots=shots,
        seed=seed,
    )


def calibrate(
    comparisons: TemplateComparisons,
    embedder: Embedder,
    dataset: Mapping[str, object],
    *,
    target_fmr: float = 0.001,
    target_fpir: float = 0.05,
    draws: int = 1000,
    missed: int = 0,
    command: str = "",
) -> Calibration:
    """Set the thresholds at target rates, and measure what they do.

    Args:
        comparisons: of ``compare_with_templates``; its seed draws the intervals too.
        embedder: what made the embeddings.
        dataset: ``FaceSet.describe()``.
        target_fmr: from 10 / impostor comparisons to below 1.
        target_fpir: from 10 / N to below 1.
        draws: of the bootstrap, at least 100.
        missed: how many photographs had no face.
        command: what made the file.

    Raises:
        BadParameterError: a target that so few comparisons cannot show.
    """
    genuine = comparisons.pairs.same
    threshold = threshold_at_fmr(comparisons.scores, genuine, target_fmr)
    fmr, fnmr = _verification_rates(comparisons, threshold, draws)
    return Calibration(
        embedder=embedder.name,
        fingerprint=embedder.fingerprint,
        dataset=dict(dataset),
        missed=missed,
        shots=comparisons.shots,
        seed=comparisons.seed,
        target_fmr=target_fmr,
        threshold=threshold,
        fmr=fmr,
        fnmr=fnmr,
        genuine=int(genuine.sum()),
        impostors=int((~genuine).sum()),
        identify=_identification_threshold(comparisons, threshold, target_fpir, draws),
        command=command,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _verification_rates(comparisons: TemplateComparisons, threshold: float, draws: int) -> tuple[Estimate, Estimate]:
    """FMR and FNMR at a fixed threshold, with intervals over people from the same draws.

    An impostor pair of the persons p and q weighs m_p m_q (see ``bootstrap_pairs_over_people``), a genuine one m_p.
    """
    accepted, same = comparisons.scores >= threshold, comparisons.pairs.same
    matched, refused = accepted[~same], ~accepted[same]
    weights = PairWeights(comparisons.pairs, comparisons.person, photographs=False)
    rng, values = np.random.default_rng(comparisons.seed), np.empty((draws, 2))
    for draw in range(draws):
        genuine, impostor = weights.draw(rng)
        values[draw] = impostor @ matched / impostor.sum(), genuine @ refused / genuine.sum()
    fmr, fnmr = (
        wilson_at_ends(percentile_interval(values[:, column], wrong.mean(), weights.people, METHOD, "people"))
        for column, wrong in enumerate((matched, refused))
    )
    return fmr, fnmr


def _identification_threshold(
    comparisons: TemplateComparisons, least: float, target_fpir: float, draws: int
) -> IdentificationThreshold:
    """The threshold at the target rate, or ``least`` where that is higher; each photograph is a stranger's to all others."""
    best = comparisons.best_impostor_scores
    threshold = max(least, threshold_at_fmr(best, np.zeros(len(best), bool), target_fpir))
    fpir = rate_over_people(best >= threshold, comparisons.person[: len(best)], draws, comparisons.seed)
    return IdentificationThreshold(threshold, target_fpir, fpir, len(comparisons.templates) - 1, len(best))


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Keep a calibration as JSON, whole or not at all."""
    write_json(path, {"schema": SCHEMA_VERSION, **asdict(calibration)})


def read_calibration(path: Path, embedder: Embedder) -> Calibration:
    """The calibration in a file, if it is of this embedder.

    Raises:
        FacelabError: no such file, not a calibration, one of a later facelab, or one of another embedder.
    """
    try:
        content = read_json_object(path)
        schema = content.pop("schema")
        if schema == SCHEMA_VERSION:
            calibration = _built(content)
    except FileNotFoundError as error:
        raise FacelabError(f"There is no calibration {path}.", "Make one with notebook 10, and name it.") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FacelabError(f"{path} is not a calibration ({error}).", "Make one with notebook 10.") from error
    if schema != SCHEMA_VERSION:
        raise FacelabError(
            f"{path} has schema {schema}, this facelab reads {SCHEMA_VERSION}.", "Make it again, notebook 10."
        )
    if calibration.fingerprint != embedder.fingerprint:
        raise FacelabError(
            f"{path} was measured for another embedder ({calibration.embedder}) than {embedder.name}: its threshold means "
            "nothing here.",
            "Make one for this embedder with notebook 10.",
        )
    return calibration


def _built(content: dict) -> Calibration:
    identify = content.pop("identify")
    found = Calibration(
        **{**content, "fmr": Estimate(**content["fmr"]), "fnmr": Estimate(**content["fnmr"])},
        identify=IdentificationThreshold(**{**identify, "fpir": Estimate(**identify["fpir"])}),
    )
    _check_values(found)
    return found


def _check_values(found: Calibration) -> None:
    """Refuse what no measurement can have given, and what would let in nearly everybody.

    Raises:
        ValueError: a value of another type, or out of its range.
    """
    identify = found.identify
    for name, text in (("embedder", found.embedder), ("fingerprint", found.fingerprint), ("command", found.command)):
        _require(isinstance(text, str), name, text)
    _require(isinstance(found.date, str), "date", found.date)
    _require(isinstance(found.dataset, dict), "dataset", found.dataset)
    counts = {
        "genuine": found.genuine,
        "impostors": found.impostors,
        "shots": found.shots,
        "searches": identify.searches,
    }
    for name, count in (counts | {"gallery": identify.gallery}).items():
        _require(is_whole_number(count) and count >= 1, name, count)
    for name, count in (("missed", found.missed), ("seed", found.seed)):
        _require(is_whole_number(count) and count >= 0, name, count)
    for name, rate in (("fmr", found.fmr), ("fnmr", found.fnmr), ("fpir", identify.fpir)):
        _require(is_whole_number(rate.n) and rate.n >= 1, f"n of {name}", rate.n)
        for end in (rate.low, rate.value, rate.high):
            _require(_is_within(end, 0, 1), name, end)
        _require(rate.low <= rate.high, f"interval of {name}", (rate.low, rate.high))
    for name, value, most in (
        ("target_fmr", found.target_fmr, _HIGHEST_TARGET),
        ("target_fpir", identify.target_fpir, _HIGHEST_TARGET),
        ("threshold", found.threshold, 1),
        ("threshold of identify", identify.threshold, 1),
    ):
        _require(_is_within(value, 0, most) and value > 0, name, value)
    # Both thresholds were set so that their rates keep to the targets.
    _require(found.fmr.value <= found.target_fmr, "fmr", found.fmr.value)
    _require(identify.fpir.value <= identify.target_fpir, "fpir", identify.fpir.value)
    _require(identify.threshold >= found.threshold, "threshold of identify", identify.threshold)


def _is_within(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _require(holds: bool, name: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r:.60}")


def default_calibration_file(embedder_name: str) -> Path:
    """The calibration that comes with the project: there is one for SFace.

    Raises:
        FacelabError: there is none for this embedder.
    """
    if embedder_name != SFACE:
        raise FacelabError(
            f"No calibration comes with facelab for {embedder_name}.",
            "Make one with notebook 10, and name it: facelab app --calibration FILE.",
        )
    return project_data("calibration", f"{SFACE}.json")
