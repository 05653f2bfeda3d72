"""LARS against other optimisers, on people whom no training saw."""

from dataclasses import replace

from tiny import TinyBackbone
from trainings import Spy, compute

from facelab.datasets import load
from facelab.datasets.splits import stored_people_split
from facelab.evaluation import mean_over_seeds
from facelab.experiments import lars
from facelab.paths import project_data
from facelab.records import Metric, read_record

EXPERIMENT = lars.EXPERIMENTS[0]


def test_lars_is_measured_on_people_whom_it_never_saw(monkeypatch):
    spy, faces = Spy(monkeypatch, lars), load("orl-wild", 16)
    monkeypatch.setattr(lars, "load", lambda *_: faces)
    monkeypatch.setattr(lars, "backbone", lambda *_, **__: TinyBackbone(1))
    plans = {name: replace(plan, epochs=1, warmup_epochs=0.5) for name, plan in lars.PLANS.items()}
    monkeypatch.setattr(lars, "PLANS", plans)
    results = compute(EXPERIMENT, 3)
    metrics = EXPERIMENT.summarise(results)
    test = set(faces.identity[stored_people_split(faces).test])
    assert len(spy.calls) == 3 * len(plans) and not any(test & set(call["faces"].identity) for call in spy.calls)
    for call, (name, seed) in zip(spy.calls, results, strict=True):
        assert call["plan"] == replace(plans[name], seed=seed)
        photo, scenes = call["faces"].attributes["photo"], call["scenes"].tolist()
        assert len(set(zip(scenes, photo, strict=True))) == len(set(scenes)) == photo.nunique()
    assert {call["plan"].optimizer for call in spy.calls} == {"adamw", "sgd", "lars"}
    assert list(metrics) == [f"eer/{name}" for name in plans]
    for name in plans:
        errors = [figures["eer"] for (plan, _), figures in results.items() if plan == name]
        assert (
            metrics[f"eer/{name}"] == Metric.from_estimate(mean_over_seeds(errors))
            and 0 < min(errors) <= max(errors) < 1
        )


def test_the_settings_of_the_record_are_those_of_today():
    stored = read_record(project_data("results", "05_lars.json"))
    assert stored.parameters == EXPERIMENT.parameters(3) and stored.data == EXPERIMENT.data()
    assert {cell.settings["plan"]["optimizer"] for cell in EXPERIMENT.grid(1)} == {"adamw", "sgd", "lars"}
