"""``make bench``: turns, ratios, contenders that compute what ours compute, every part once, and the table of the README."""

import itertools
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from lightly.utils.lars import LARS
from trainings import cifar_of_noise, compute

from benchmarks import learning, search, table, timing, views
from benchmarks.__main__ import BY_NAME, PARTS, main, measure_part
from benchmarks.contenders import LightlyMoCo
from benchmarks.results import FILE, Measured, Results, read_results, results_to_begin, results_to_complete
from benchmarks.steps import METHODS, new_pair
from benchmarks.timing import OURS, Effort, Spread, compare
from benchmarks.verification import simulated_pairs
from facelab.augment import SIMCLR
from facelab.backbones.airbench import Whitening
from facelab.errors import FacelabError
from facelab.experiments.cells import CellResult, cell_path
from facelab.experiments.cifar import self_supervised, splits
from facelab.paths import project_data, project_root
from facelab.records import read_record


def test_contenders_take_turns():
    called = []
    clocks = {name: lambda name=name: called.append(name) or len(called) for name in "AB"}
    assert Effort(small=True).take_turns(clocks) == {"A": [1, 3], "B": [2, 4]}
    assert called == ["A", "B", "A", "B"]


def test_a_row_has_quartiles_of_rates_and_of_ratios_within_a_round():
    row = compare("row", "photographs/s", {"facelab": [1, 2, 4], "other": [2, 8, 4]}, 8)
    assert row.values == {"facelab": Spread(4, 3, 6, 3), "other": Spread(2, 1.5, 3, 3)}
    assert row.ratios == {"other": Spread(2, 1.5, 3, 3)}  # of 2, 4 and 1: paired, not a quotient of medians
    row = compare("row", "s", {"facelab": [1.0], "other": [3.0]})
    assert row.values["other"].median == 3 and row.ratios["other"].median == 3
    row = compare("row", "GFLOP/s", {"facelab": [2.0], "other": [1.0]}, {"facelab": 3, "other": 6})
    assert row.ratios["other"].median == 0.25


def test_a_fast_function_is_called_often_between_two_looks_at_the_clock(monkeypatch):
    now = itertools.count()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(now) / 100)  # a look takes a hundredth of a second
    calls = []
    clock = timing.stopwatch(lambda: calls.append(1), least=0.05)
    assert len(calls) == 2  # one to warm up, one to see how long it takes
    assert clock() == pytest.approx(0.01 / 5) and len(calls) == 7


def test_numbers_have_three_digits_that_count():
    shown = {
        12345.6: "12,300",
        999.6: "1,000",
        123.4: "123",
        12.34: "12.3",
        9.996: "10.0",
        1.5: "1.50",
        0.0123: "0.0123",
    }
    assert {value: table.number(value) for value in shown} == shown
    assert (table.number(0), table.number(-3.456)) == ("0", "-3.46")


@pytest.mark.parametrize("name", METHODS)
def test_a_contender_computes_the_same_loss_and_gradient(name):
    ours, theirs = new_pair(name, width=8)
    # VICReg of lightly ends in a bias more, which no term of its loss sees
    pairs = zip(ours.parameters(), list(theirs.parameters())[: None if name != "VICReg" else -1], strict=True)
    for mine, other in pairs:
        other.data = (mine if mine.shape == other.shape else mine.T).detach().clone()
    if name == "MoCo":
        theirs.loss.memory_bank.bank.copy_(ours.queue)
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    views = ours.draw_views(images, np.random.default_rng(0))
    scenes = torch.arange(8)
    labels = scenes % 4
    losses = [ours.training_step(views, labels, scenes)["loss"], theirs(views, labels)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-4)
    first, second = (next(module.backbone.parameters()).grad for module in (ours, theirs))
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)


def test_all_draw_views_of_one_kind():
    image = np.full((views.SIDE, views.SIDE, 3), 128, dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    torch.manual_seed(0)
    batch = views.kornia_transform(SIMCLR)(tensor.expand(64, -1, -1, -1).float() / 255)
    one = views.torchvision_transform(SIMCLR)
    others = torch.stack([one(tensor) for _ in range(64)])
    for drawn in (batch, others):  # a flat photograph stays flat, and its brightness changes by up to .8
        assert drawn.shape == (64, 3, views.SIDE, views.SIDE) and drawn.std(dim=(2, 3)).max() < 1e-2
        assert -1 <= drawn.min() < -0.4 and 0.4 < drawn.max() <= 1


def test_simulated_pairs_are_what_they_say():
    embeddings, person, pairs = simulated_pairs(2000)
    assert len(embeddings) == len(person) and len(pairs) == 2000 and pairs.same.sum() == 200
    assert (pairs.first != pairs.second).all()
    assert np.array_equal(person[pairs.first] == person[pairs.second], pairs.same)


@pytest.fixture(scope="module")
def small():
    """Every part, the quick way."""
    return Results(parts={name: measure_part(name, Effort(small=True)) for name in PARTS if name not in BY_NAME})


def test_every_part_works(small):
    others = {"torchvision v2", "lightly", "kornia", "pytorch-metric-learning", "lightly, 0 workers", "matrix multiply"}
    found = set()
    for part in small.parts.values():
        assert part.rows and part.seconds >= 0 and 0 <= part.others <= 1
        names = [row.name for row in part.rows]
        assert len(set(names)) == len(names)
        for row in part.rows:
            assert next(iter(row.values)) == OURS and set(row.ratios) == set(row.values) - {OURS}
            spreads = [*row.values.values(), *row.ratios.values()]
            assert all(one.low <= one.median <= one.high and one.n >= 1 for one in spreads)
            assert all(one.median > 0 for one in spreads) or row.unit == "% of a step"
            found |= set(row.ratios)
    assert others <= found


def test_results_are_kept_and_shown(small, tmp_path):
    path = tmp_path / "results.json"
    small.write(path)
    assert read_results(path) == small == results_to_complete(path)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    table.write_readme(readme, small)
    text = readme.read_text(encoding="utf-8")
    assert table.between_markers(text) == table.table(small) and "old" not in text
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    lines = table.table(small).splitlines()
    assert small.machine["processor"] in lines[0] and small.machine["versions"]["torch"] in lines[0]
    assert len(lines) == 4 + sum(1 + len(part.rows) for part in small.parts.values())
    assert all(line.count("|") == 4 for line in lines[2:])
    readme.write_text("no markers", encoding="utf-8")
    with pytest.raises(FacelabError, match="README.md lacks"):
        table.write_readme(readme, small)


def test_results_of_another_machine_are_neither_completed_nor_kept(small, tmp_path, capsys):
    path = tmp_path / "results.json"
    assert results_to_complete(path).parts == results_to_begin(path).parts == {}
    small.write(path)
    assert results_to_begin(path) == small and not capsys.readouterr().out
    content = json.loads(path.read_text(encoding="utf-8"))
    content["machine"]["processor"] = "Z80"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert results_to_begin(path).parts == {}
    assert capsys.readouterr().out == f"Not kept: {', '.join(small.parts)}, of another machine (processor).\n"
    with pytest.raises(FacelabError, match=r"another machine \(processor\)"):
        results_to_complete(path)


@pytest.fixture
def file_of_results(monkeypatch, tmp_path):
    """In place of ``results.json``."""
    path, write = tmp_path / "results.json", Results.write
    monkeypatch.setattr("benchmarks.__main__.begin_with_one_thread", lambda: None)  # not for the tests that follow
    for begin in (results_to_begin, results_to_complete):
        monkeypatch.setattr(f"benchmarks.__main__.{begin.__name__}", partial(begin, path))
    monkeypatch.setattr(Results, "write", lambda own: write(own, path))
    return path


def test_a_part_is_kept_until_it_is_replaced(file_of_results, monkeypatch):
    old = {name: Measured(name, "2026-01-01", 1.0, 0.0, []) for name in PARTS}
    new = replace(old["views"], created="2026-01-02")
    Results(parts=old).write()

    def stopped_after_views(name, effort):
        if name != "views":
            raise KeyboardInterrupt
        return new

    monkeypatch.setattr("benchmarks.__main__.measure_part", stopped_after_views)
    with pytest.raises(SystemExit):
        main([])
    assert read_results(file_of_results).parts == old | {"views": new}


ROW = {"name": "row", "unit": "s", "values": {"facelab": 3.0}, "ratios": {}}
PART = {"title": "t", "created": "2026-01-01", "seconds": 1.0, "others": 0.0, "rows": [ROW]}
DAMAGED = [
    {"parts": {}},
    {"machine": 3, "parts": {}},
    {"machine": {}, "parts": []},
    {"machine": {}, "parts": {"a": PART}},
]


@pytest.mark.parametrize("content", ["", '{"machine": {', "[1]", "<<<<<<< HEAD\n", *map(json.dumps, DAMAGED)])
@pytest.mark.parametrize("named", [[], ["views"]])
def test_damaged_results_are_one_line(file_of_results, capsys, content, named):
    file_of_results.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(named)
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.count("\n") == 1
    assert said.startswith(f"python -m benchmarks: {file_of_results} holds no results (") and "git checkout" in said
    assert file_of_results.read_text(encoding="utf-8") == content


def test_a_row_of_a_record_says_which_and_has_the_range_of_its_batches():
    record = read_record(project_data("results", f"{search.RECORD}.json"))
    rows = search.recorded()
    assert rows and all(row.name.endswith(f" (record {record.name} of {record.created[:10]})") for row in rows)
    times = {name: metric for name, metric in record.metrics.items() if name.endswith("/1000000/query_us")}
    assert all(metric.method.startswith("range of") for metric in times.values())
    for row in rows:
        metric = times[f"{row.name.partition(', ')[0]}/1000000/query_us"]
        shown = row.values[OURS]
        assert 1e6 / np.array([metric.high, metric.value, metric.low]) == pytest.approx(
            [shown.low, shown.median, shown.high]
        )


def test_the_caption_says_what_was_not_measured_in_this_run():
    caption = table.table(Results(parts={"a": Measured("a", "2026-01-01", 1.0, 0.0, [])})).splitlines()[0]
    assert "Rows of a record of `data/results` are of that record's day and machine" in caption
    assert "the least and the greatest of its batches in brackets" in caption
    assert "as stored" in caption and all("as stored" in row.name for row in PARTS["notebooks"].measure(Effort()))


def test_a_busy_machine_is_called_provisional(small):
    part = next(iter(small.parts.values()))
    shown = {others: table.table(Results(small.machine, {"a": replace(part, others=others)})) for others in (0.01, 0.4)}
    assert "Provisional" not in shown[0.01]
    assert "up to 40 %" in re.search(r"\*\*Provisional\*\*.*", shown[0.4])[0]
    for unit in ("MB", "%"):
        undisturbed = replace(part, others=0.4, rows=[replace(row, unit=unit) for row in part.rows])
        assert "Provisional" not in table.table(Results(small.machine, {"a": undisturbed}))
        both = {"a": undisturbed, "b": replace(part, others=0.2)}
        assert "up to 20 %" in table.table(Results(small.machine, both))


def test_what_is_no_time_is_shown_without_a_ratio(small):
    row = timing.Row("SimCLR", "%", {"facelab": Spread(61.0, 60.0, 62.0, 3), "other": Spread(55.0, 54.0, 56.0, 3)})
    part = replace(next(iter(small.parts.values())), rows=[row])
    line = table.table(Results(small.machine, {"a": part})).splitlines()[-1]
    assert line == "| SimCLR, % | 61.0 (60.0 to 62.0) | other 55.0 (54.0 to 56.0) |"


@pytest.fixture
def cifar(monkeypatch, tmp_path):
    """Noise in place of CIFAR-10, trainings of an epoch, and networks of width 8."""
    faces = cifar_of_noise("cifar10")
    monkeypatch.setenv("FACELAB_RUNS", str(tmp_path))
    monkeypatch.setattr(splits, "load", lambda name, *_: faces)
    values = {"NETWORK": {"name": "airbench", "width": 8}, "BF16": "32-true", "BATCH": 50, "NEIGHBORS": 20}
    for name, value in values.items():
        monkeypatch.setattr(self_supervised, name, value)
    for name in learning.RECIPES:
        recipe = replace(self_supervised.RECIPES[name], epochs=2)
        monkeypatch.setitem(self_supervised.RECIPES, name, recipe)
    monkeypatch.setattr(learning, "BATCH", 50)
    monkeypatch.setattr(learning, "SMALL", 200)
    return faces.subset(np.arange(200)), faces.subset(np.arange(200, 230))


def test_what_is_learned_is_compared_after_the_same_time(cifar, monkeypatch, tmp_path):
    asked = []
    learn = learning.learn
    monkeypatch.setattr(learning, "learn", lambda *given: asked.append((given, learn(*given))))
    rows = learning.measure(Effort(small=True))
    assert [row.name.partition(",")[0] for row in rows[::2]] == ["SimCLR", "MoCo v2", "VICReg"]
    assert [row.name.partition(" minutes, ")[2] for row in rows] == ["neighbours", "neighbours, whitened"] * 3
    assert all(set(row.values) == {OURS, "lightly"} and not row.ratios for row in rows)
    assert all(0 <= one.median <= 100 and one.n == 1 for row in rows for one in row.values.values())
    for (recipe, network, faces, seconds, seed), steps in asked:
        assert faces.sha256 == cifar[0].sha256 and seconds > 0 and seed == 0 and steps >= 1
        contender = recipe.build(network)
        layers = [module for module in contender.modules() if isinstance(module, Whitening)]
        assert len(layers) == 1 + isinstance(contender, LightlyMoCo) and all(layer.seen > 0 for layer in layers)
        assert all(torch.equal(layer.kernels, layers[0].kernels) for layer in layers), "the keys' network too"
    assert not list(tmp_path.rglob("*.json")), "no figure is kept of a small run"

    def run_here(experiment, seeds):
        """As ``run_experiment``, whose processes would know nothing of what is replaced here."""
        results = compute(experiment, seeds)
        return {"/".join(map(str, key)): CellResult(figures, 1.0, "") for key, figures in results.items()}, None

    monkeypatch.setattr(learning, "run_experiment", run_here)
    for _ in range(2):
        rows = learning.measure(Effort())
        assert len(rows) == 6 and all(one.n == 3 for row in rows for one in row.values.values())
    assert [seed for (*_, seed), _ in asked[3:]] == [0, 1, 2] * 6
    times = [seconds for (*_, seconds, _), _ in asked]
    assert times[3:12] == times[12:], "ours are not trained again"
    named = [row.name.split(", ")[1] for row in rows[::2]]
    assert named == [f"{np.mean(times[at : at + 3]) / 60:.1f} minutes" for at in (3, 6, 9)]


def test_a_comparison_is_made_again_when_what_decides_it_changes(cifar, monkeypatch):
    data = learning.BESIDE_LIGHTLY.data()
    assert [entry["sha256"] for entry in data.values()] == [part.sha256 for part in cifar]

    def path(name="vicreg"):
        cells = {cell.label: cell for cell in learning.BESIDE_LIGHTLY.grid(1)}
        return cell_path(learning.BESIDE_LIGHTLY, cells[f"{name}/0"], data)

    before = path()
    assert before == path() != path("moco")
    changed = replace(learning.RECIPES["vicreg"], warmup=0.2)
    with monkeypatch.context() as patch:
        patch.setitem(learning.RECIPES, "vicreg", changed)
        assert path() != before
    with monkeypatch.context() as patch:
        patch.setattr(learning, "BATCH", 40)
        assert path() != before


def test_lightly_learns_by_what_its_own_benchmark_does(cifar, monkeypatch):
    """SGD whose rate falls from .06 along half a cosine; one step where there is no time."""
    network = learning.new_start(self_supervised.RECIPES["simclr"], cifar[0], 0).backbone
    recipe = learning.RECIPES["simclr"]
    assert recipe.build(network).loss.temperature == 0.5
    now, rates = itertools.count(), []
    monkeypatch.setattr(learning.time, "process_time", lambda: float(next(now)))
    step = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda own: rates.append(own.param_groups[0]["lr"]) or step(own))
    before = network.body.groups[0].first.weight.clone()
    assert learning.learn(recipe, network, cifar[0], 5.0, 0) == 5
    np.testing.assert_allclose(rates, 0.03 * (1 + np.cos(np.pi * np.arange(5) / 5)))
    assert not torch.equal(before, network.body.groups[0].first.weight)
    assert learning.learn(recipe, network, cifar[0], 0.0, 0) == 1


def test_the_rate_of_vicreg_rises_for_a_tenth_of_the_time():
    recipe = learning.RECIPES["vicreg"]
    np.testing.assert_allclose([recipe.rate(gone) for gone in (0, 0.05, 0.1, 0.55, 1)], [0, 0.5, 1, 0.5, 0], atol=1e-12)
    optimizer = recipe.optimizer([torch.nn.Parameter(torch.zeros(2, 2))])
    assert isinstance(optimizer, LARS) and optimizer.defaults["lr"] == 0.15


def test_a_loss_that_is_not_finite_ends_it_by_name(cifar):
    network = learning.new_start(self_supervised.RECIPES["simclr"], cifar[0], 0).backbone
    with torch.no_grad():
        network.body.groups[0].first.weight.fill_(torch.nan)
    with pytest.raises(FacelabError, match="loss of LightlySimCLR is nan in step 0"):
        learning.learn(learning.RECIPES["simclr"], network, cifar[0], 5.0, 0)


def test_the_readme_shows_the_results_that_are_kept():
    text = (project_root() / "README.md").read_text(encoding="utf-8")
    assert table.between_markers(text) == table.table(read_results())
    assert text.rstrip().endswith(table.END)


def test_a_small_run_shows_its_part_and_keeps_nothing(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.__main__.begin_with_one_thread", lambda: None)  # not for the tests that follow
    before = FILE.read_bytes()
    main(["notebooks", "--small"])
    shown = capsys.readouterr().out
    assert f"**{PARTS['notebooks'].TITLE}**" in shown and PARTS["views"].TITLE not in shown
    assert FILE.read_bytes() == before


def test_an_unknown_part_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["viewz"])
    assert "viewz" in capsys.readouterr().err


def test_a_part_whose_data_set_is_not_here_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FACELAB_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["learning", "--small"])
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.count("\n") == 1
    assert said.startswith("python -m benchmarks: The data set 'cifar10' is not on this machine.")


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted(name, effort):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.__main__.measure_part", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["views", "--small"])
    assert ended.value.code == 130 and capsys.readouterr().err == "python -m benchmarks: stopped\n"
