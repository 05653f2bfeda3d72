"""What ``facelab train`` says of a run: ``record.json``, measured on the test photographs, and its pictures."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch

from facelab.commands.train.settings import command_line
from facelab.commands.train.task import Task
from facelab.datasets import FaceSet
from facelab.evaluation import Estimate, accuracy_over_people, cosine_scores
from facelab.evaluation.baselines import MAX_FIT
from facelab.evaluation.clusters import silhouette_estimate
from facelab.evaluation.verification import measurable_fmrs
from facelab.files import atomic_write
from facelab.methods import Classifier, Method, embed_faces, load_method
from facelab.protocols import closed_set, unseen_people
from facelab.protocols.nearest_photographs import draw_probes, rank_by_class_scores
from facelab.records import Metric, Record, read_record
from facelab.training import History

FARS = (0.1, 0.01, 0.001)  #: those of them that the impostor pairs can show


def measure(task: Task, folder: Path, device: torch.device) -> None:
    """Measure what was trained in a folder, on a device, and write its ``record.json``.

    Raises:
        FacelabError: nothing was trained there, or not to the end.
    """
    stored = [load_method(folder / f"{name}.pt") for name in task.model_names]
    methods = [task.build_untrained().to(device), *(one.method.to(device) for one in stored)]
    found = (
        measure_known_people(task, *methods)
        if task.settings.people == "known"
        else measure_unseen_people(task, *methods)
    )
    record = Record(f"train {task.settings.method}", command_line(task.settings, task.plan), {})
    record.parameters = asdict(task.settings) | asdict(task.plan)
    record.data["faces"] = task.data
    record.metrics = {name: Metric.from_estimate(estimate) for name, estimate in found.items()}
    # of the trainings, all their pieces where they were resumed
    record.wall_seconds = round(sum(one.notes["seconds"] for one in stored), 1)
    record.write(folder / "record.json")


def measure_known_people(
    task: Task, untrained: Method, method: Method, head: Classifier | None = None
) -> dict[str, Estimate]:
    """Top-1, 2 and 3 on other photographs of the people who were in training, and how far these people stand apart.

    Intervals are over people. Of many test photographs a sample is looked up; the method of each interval says of how many.
    """
    name, train, test = task.settings.method, task.train, task.test
    probes = draw_probes(test, task.plan.seed)
    ranks = closed_set.rank_by_baselines(untrained, train, probes)
    ranks[task.untrained_name] = ranks.pop("random network")
    ranks |= {f"{name}, {way}": found for way, found in closed_set.rank_by_embeddings(method, train, probes).items()}
    classes = closed_set.class_numbers(train, probes)
    if hasattr(method, "predict"):
        ranks[f"{name}, class scores"] = rank_by_class_scores(method, probes, classes)
    if head is not None:
        ranks[f"{name} + MLP, {task.settings.head}"] = rank_by_class_scores(head, probes, classes)
    notes = {way: _sampled(task, way, probes) for way in ranks}
    found = {
        f"top{k}/{way}": _noted(accuracy_over_people(rank, probes.identity, k), notes[way])
        for way, rank in ranks.items()
        for k in (1, 2, 3)
    }
    if len(test) > len(test.people):  # else nobody has two test photographs, and there is no distance within a person
        found[f"silhouette/{name}"] = silhouette_estimate(embed_faces(method, test), test.identity)
    return found


def _sampled(task: Task, way: str, probes: FaceSet) -> list[str]:
    """What a way of ranking has not seen all of."""
    train = len(task.train)
    kmeans, _ = closed_set.choose_kmeans(train, len(task.train.people))
    return [
        note
        for applies, note in (
            (len(probes) < len(task.test), f"{len(probes)} of {len(task.test)} test photographs"),
            (way == "whitened PCA" and train > MAX_FIT, f"PCA of {MAX_FIT} of {train} photographs"),
            (way.endswith(", k-means") and kmeans != "k-means", kmeans),
        )
        if applies
    ]


def _noted(estimate: Estimate, notes: list[str]) -> Estimate:
    return replace(estimate, method="; ".join([estimate.method, *notes]))


def measure_unseen_people(task: Task, untrained: Method, method: Method) -> dict[str, Estimate]:
    """EER, AUC and TAR on pairs of photographs of people who were in no training: ``unseen_people.verification_pairs``."""
    test, pairs = task.test, unseen_people.verification_pairs(task.test, task.plan.seed)
    found, _ = unseen_people.score_baselines(untrained, task.train, test, pairs)
    found[task.untrained_name] = found.pop("random network")
    found[task.settings.method] = cosine_scores(embed_faces(method, test), pairs)
    fars = tuple(far for far in FARS if far in measurable_fmrs((~pairs.same).sum()))
    figures = unseen_people.verification_metrics(found, test, pairs, fars, seed=task.plan.seed)
    return {
        f"{figure}/{name}": _noted(value, _sampled(task, name, test))
        for name, values in figures.items()
        for figure, value in values.items()
    }


def draw_plots(task: Task, folder: Path) -> None:
    """The learning curves of method and head, and top-1 or EER with their intervals where they were measured, as PNG."""
    import matplotlib.pyplot as plt  # takes a second to come

    from facelab import plots

    plots.use_course_style()
    made = {}
    for name in task.model_names:
        history = History(**load_method(folder / f"{name}.pt").notes)
        made[f"{name}-loss"] = plots.curves({"loss": history.series("loss")}, "epoch", "loss", name)
        shares = {term: history.series(term) for term in ("accuracy", "validation") if term in history.epochs[0]}
        if shares:
            made[f"{name}-accuracy"] = plots.curves(shares, "epoch", "share right", name)
    if (folder / "record.json").is_file():
        first, label = ("top1/", "top-1") if task.settings.people == "known" else ("eer/", "equal error rate")
        metrics = read_record(folder / "record.json").metrics.items()
        rows = {name.removeprefix(first): metric for name, metric in metrics if name.startswith(first)}
        made["results"] = plots.intervals({"": rows}, f"{label}, per cent")
    for name, figure in made.items():
        with atomic_write(folder / f"{name}.png") as partial:
            figure.savefig(partial, format="png")
        plt.close(figure)
