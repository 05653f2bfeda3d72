"""``facelab export`` of what ``facelab train`` left, and its model card as the Hub's own library reads it."""

import json
import re
import warnings
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import yaml
from commands import call
from exports import noise, stored_method
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from tiny import tiny_faces

import facelab
from facelab.commands.train import task as task_module
from facelab.commands.train.run import train_and_measure
from facelab.commands.train.settings import Settings
from facelab.datasets import FaceSet
from facelab.datasets.sources import get_source
from facelab.exchange.exported_model import ExportedModel, embedding_state, new_config
from facelab.exchange.model_card import model_card, was_edited
from facelab.exchange.model_folder import load_model
from facelab.exchange.publishable import without_paths
from facelab.methods import load_method
from facelab.records import Metric, Record, read_record
from facelab.training import Plan

FACES = tiny_faces(people=6, shots=10, size=24)
SETTINGS = Settings(
    method="supcon", options={"projection": "6"}, dataset="orl-wild", min_photos=4, size=24, people="known", scene=None,
    augmentation="supcon", backbone="resnet10", width=8, weights=None, freeze=0, head="finetuned", head_epochs=1,
)  # fmt: skip
PLAN = Plan(epochs=1, batch_size=8, lr=2e-3, warmup_epochs=0.5)
SECRET = "folder:/home/ann/Patients of Dr Berg"


def load_tiny(name: str, size: int) -> FaceSet:
    return replace(FACES, source=f"{name}@{size}")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A measured run with a head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_module, "load", load_tiny)
        return train_and_measure(SETTINGS, PLAN, tmp_path_factory.mktemp("run"))


@pytest.fixture
def facelab_command(monkeypatch, capsys):
    def command(*words) -> tuple[int, str, str]:
        code = call(monkeypatch, *map(str, words))
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def card_of(record: Record | None = None, name: str = "margin", **how) -> str:
    stored = stored_method(name, **how)
    model = ExportedModel(new_config(stored), embedding_state(stored.method, False))
    return model_card(model, [] if record is None else [record])


def test_a_run_is_handed_on(tmp_path, run, facelab_command):
    out = tmp_path / "out"
    code, said, errors = facelab_command("export", run, out)
    assert (code, errors) == (0, "")
    assert {path.name for path in out.iterdir()} == {"README.md", "config.json", "model.onnx", "model.safetensors"}
    assert "takes grey crops of 24 x 24 pixels, gives 64 numbers" in said and f"facelab.load_model('{out}')" in said
    assert all(f"{(out / name).stat().st_size:,} bytes" in said for name in ("model.onnx", "model.safetensors"))
    method = load_method(run / "method.pt").method
    with torch.no_grad():
        expected = method.embed(method.augmentation.preprocess(torch.from_numpy(FACES.images).permute(0, 3, 1, 2)))
    assert torch.allclose(load_model(out).embed(FACES.images), expected, atol=1e-6)


def test_the_hubs_own_library_reads_the_card(tmp_path, run, facelab_command):
    facelab_command("export", run, tmp_path / "out")
    card = ModelCard.load(tmp_path / "out" / "README.md")
    data, record = card.data, read_record(run / "record.json")
    assert data.license == "other" and data.license_name and data.library_name == "facelab"
    assert data.datasets == ["orl-wild"] and {"supcon", "resnet10", "onnx"} <= set(data.tags)
    name, results = model_index_to_eval_results(yaml.safe_load(data.to_yaml())["model-index"])
    own = {name: m for name, m in record.metrics.items() if name.partition("/")[2].split(",")[0] == "supcon"}
    assert len(own) == 7 and {result.metric_name for result in results} == set(own)
    for result in results:
        metric = own[result.metric_name]
        assert result.metric_value == metric.value and result.dataset_name == "orl-wild@24"
        assert result.metric_args == {"n": metric.n, "low": metric.low, "high": metric.high, "interval": metric.method}
    assert eval_results_to_model_index(name, results)  # and can be written by it again
    again = ModelCardData(
        **yaml.safe_load(data.to_yaml()) | {"model-index": None, "model_name": name, "eval_results": results}
    )
    assert again.to_dict()["model-index"][0]["name"] == name
    assert not was_edited((tmp_path / "out" / "README.md").read_text())


def test_the_card_has_the_figures_of_the_record_and_the_terms_of_the_data(tmp_path, run, facelab_command):
    facelab_command("export", run, tmp_path / "out")
    card, record = (tmp_path / "out" / "README.md").read_text(), read_record(run / "record.json")
    source = get_source("orl-wild")
    for text in (
        source.title,
        source.license,
        source.citation,
        "Olivetti",
        "must not be used",
        "Limits",
        "60 photographs of 6",
    ):
        assert text in card
    rows = [line for line in card.split("\n") if line.startswith(("| right", "| **right", "| **sil", "| sil"))]
    shown = [name for name in record.metrics if "MLP" not in name]
    assert len(rows) == len(record.metrics) >= len(shown)
    best = record.metrics["top1/supcon, nearest photograph"]
    assert (
        f"| **right person among the first 1: supcon, nearest photograph** | **{best.value:.3f}** | "
        f"{best.low:.3f} to {best.high:.3f} | {best.n} | wilson |" in rows
    )
    assert "## Error rates by group\n\nNot measured." in card


def python_blocks(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_examples_of_the_card_run_as_they_stand(tmp_path, monkeypatch, capsys, channels):
    from facelab.exchange.model_folder import export_model

    export_model(stored_method("margin", channels=channels), tmp_path / "out")
    monkeypatch.chdir(tmp_path / "out")
    with_facelab, with_onnx = python_blocks((tmp_path / "out" / "README.md").read_text())
    assert len([line for line in with_facelab.splitlines() if line.strip()]) == 2
    assert len([line for line in with_onnx.splitlines() if line.strip()]) == 10
    first, second = cv2.GaussianBlur(noise(1, 60, channels)[0], (0, 0), 5), noise(1, 24, channels, seed=3)[0]
    for name, image in (("first.png", first), ("second.png", second)):
        image = image.reshape(*image.shape[:2], channels)
        cv2.imwrite(str(tmp_path / "out" / name), image if channels == 1 else image[:, :, ::-1])
    names = {"crops": second.reshape(1, 24, 24, channels)}
    exec(with_facelab, names)
    exec(with_onnx, names)
    printed = float(capsys.readouterr().out)
    model = facelab.load_model(".")
    left, right = (model.embed(image.reshape(1, *image.shape[:2], channels))[0].numpy() for image in (first, second))
    assert np.allclose(names["embeddings"][0], right)
    assert printed == pytest.approx(left @ right / np.linalg.norm(left) / np.linalg.norm(right), abs=0.01)


def test_a_head_with_the_names_of_its_classes(tmp_path, run, facelab_command, monkeypatch):
    monkeypatch.setattr("facelab.datasets.load", load_tiny)
    code, said, _ = facelab_command("export", run, tmp_path / "plain", "--head")
    assert code == 0 and not (tmp_path / "plain" / "labels.json").exists()
    code, said, _ = facelab_command("export", run, tmp_path / "out", "--head", "--labels")
    assert code == 0 and "names 6 people" in said
    assert json.loads((tmp_path / "out" / "labels.json").read_text()) == [f"p{number}" for number in range(6)]
    model, head = load_model(tmp_path / "out"), load_method(run / "head.pt").method
    assert np.allclose(model.predict(FACES.images).numpy(), head.predict(FACES), atol=1e-5)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "predict(crops)" in card and "personal data" in card and not re.search(r"\bp3\b", card)
    names = {result.metric_name for result in ModelCard(card).data.eval_results}
    assert names == {f"top{k}/supcon + MLP, finetuned" for k in (1, 2, 3)}
    other = replace(FACES, images=FACES.images[::-1].copy())
    monkeypatch.setattr("facelab.datasets.load", lambda *_: other)
    code, _, errors = facelab_command("export", run, tmp_path / "other", "--head", "--labels")
    assert code == 1 and "other photographs now" in errors


def test_what_was_not_measured_has_its_terms_all_the_same(tmp_path, monkeypatch, facelab_command):
    monkeypatch.setattr(task_module, "load", load_tiny)
    run = train_and_measure(replace(SETTINGS, head="none"), PLAN, tmp_path / "run", do="train")
    code, said, _ = facelab_command("export", run, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert code == 0 and "nothing was measured" in said and "Nothing was measured of it yet" in card
    assert (
        get_source("orl-wild").license in card
        and "model-index" not in card
        and ModelCard(card).data.datasets == ["orl-wild"]
    )
    code, _, errors = facelab_command("export", run, tmp_path / "labelled", "--labels")
    assert code == 1 and "A supcon has no labels" in errors
    code, said, _ = facelab_command("export", run / "method.pt", tmp_path / "alone")
    assert code == 0 and "Not known to this file" in (tmp_path / "alone" / "README.md").read_text()


def test_what_learned_from_records_says_aligned_crops(tmp_path, facelab_command):
    from facelab.methods import save_method

    stored = stored_method()
    save_method(stored.method, tmp_path / "run" / "method.pt", size=24, classes=4, options=stored.options)
    (tmp_path / "run" / "command.txt").write_text("facelab train classifier --dataset rec:/faces\n", encoding="utf-8")
    for run, words, crop in (
        ("run", (), "arcface"),
        ("run/method.pt", (), "arcface"),
        ("run", ("--crop", "dataset"), "dataset"),
    ):
        code, said, errors = facelab_command("export", tmp_path / run, tmp_path / "out", *words)
        assert (code, errors) == (0, "") and f"crop: {crop}" in said
        assert load_model(tmp_path / "out").config["preprocessing"]["crop"] == crop
    assert ("aligned to ArcFace" in (tmp_path / "out" / "README.md").read_text()) == (crop == "arcface")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "out"], "There is no stored method"),
        (["empty", "out"], "empty holds no method.pt"),
        (["run", "out", "--head"], "run holds no head.pt"),
        (["run/method.pt", "out", "--head"], "--head is for the folder"),
        (["run", "out", "--crop", "tight"], "crop is 'tight'. Give one of: dataset, arcface"),
        (["run", "out", "--record", "nothing.json"], "There is no record"),
        (["run", "out", "--record", "empty"], "There is no record"),
        (["run", "run"], "holds something else"),
        (["run", "run/method.pt"], "is not a folder"),
        (["run", "out", "--labels"], "which says who was in it"),
        (["bad", "out"], "cannot be read"),
    ],
)
def test_what_cannot_be_handed_on_is_one_line(tmp_path, monkeypatch, facelab_command, words, said):
    from facelab.methods import save_method

    monkeypatch.chdir(tmp_path)
    for name in ("empty", "run", "bad"):
        (tmp_path / name).mkdir()
    stored = stored_method()
    save_method(stored.method, tmp_path / "run" / "method.pt", size=24, classes=4, options=stored.options)
    (tmp_path / "bad" / "method.pt").write_bytes(b"PK\3\4")
    code, _, errors = facelab_command("export", *words)
    assert code == 1 and said in errors and errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_path_and_no_name_of_a_machine_is_in_a_card():
    record = Record(
        "train margin", f"facelab train margin --dataset '{SECRET}+orl' --weights /home/ann/w.pt --size 24 -p loss=arcface",
        {"method": "margin", "dataset": f"orl+{SECRET}", "weights": "/home/ann/w.pt", "people": "unseen"},
        {"faces": {"source": f"orl+{SECRET}@24", "images": 4, "people": 2, "size": [24, 24, 1], "sha256": "0" * 64}},
        {"eer/margin": Metric(0.125, 6, 0.1, 0.2, "bootstrap over people")},
    )  # fmt: skip
    card = card_of(record)
    assert "ann" not in card.replace("channels", "") and "Berg" not in card
    assert "facelab train margin --dataset folder:PATH --weights PATH --size 24 -p loss=arcface" in card
    assert "no published data set" in card and get_source("orl").license in card and "terms hold as well" in card
    assert ModelCard(card).data.datasets == ["orl"]
    assert "equal error rate" in card and "| **0.125** | 0.100 to 0.200 | 6 |" in card
    assert without_paths("facelab train 'a b") == ""


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("train moco --weights anna_mueller.pt --size 24", "train moco --weights PATH --size 24"),
        ("train moco --weights=anna_mueller", "train moco --weights=PATH"),
        ("run 06_vicreg -p weights=anna_mueller.pt", "run 06_vicreg -p weights=PATH"),
        ("train moco --weights imagenet", "train moco --weights imagenet"),
        ("run 06_vicreg -p weights=", "run 06_vicreg -p weights="),
    ],
)
def test_a_file_of_weights_in_the_current_folder_names_nobody_in_a_card(typed, shown):
    assert without_paths(f"facelab {typed}") == f"facelab {shown}"
    weights = "imagenet" if "imagenet" in typed else "anna_mueller.pt"
    card = card_of(Record("train moco", f"facelab {typed}", {"dataset": "orl", "weights": weights}))
    assert "anna" not in card and ("with the weights `imagenet`" in card) == (weights == "imagenet")


def test_sets_that_are_files_of_a_machine_are_numbered_in_a_card():
    bins = ["/home/ann/agedb_30.bin", "/home/ann/cfp fp.bin"]
    sets = [*bins, f"pairs.txt@{SECRET}", "lfw"]
    record = Record(
        "verify out", "facelab verify out", {}, {name: {"source": "bin:/home/ann@112"} for name in sets},
        {f"{figure}/{name}": Metric(0.5 + place / 10) for figure in ("accuracy", "eer") for place, name in enumerate(sets)},
    )  # fmt: skip
    card = card_of(record)
    assert "ann" not in card.replace("channels", "") and "Berg" not in card
    shown = {r.metric_name: r.metric_value for r in ModelCard(card).data.eval_results if r.metric_type == "eer"}
    names = ("eer/PATH 1", "eer/PATH 2", "eer/pairs.txt@folder:PATH", "eer/lfw")
    assert shown == dict(zip(names, (0.5, 0.6, 0.7, 0.8), strict=True))
    assert "| **equal error rate: PATH 2** | **0.600** |" in card


def test_what_a_model_was_judged_by_is_not_what_it_was_trained_on(tmp_path, run, facelab_command):
    judged = Record("verify method", "facelab verify", {"dataset": "lfw"}, {"lfw": {}}, {"eer/lfw": Metric(0.25)})
    path = judged.write(tmp_path / "x.json")
    for trained, said in ((run / "method.pt", "Not known to this file"), (run, get_source("orl-wild").license)):
        code, _, errors = facelab_command("export", trained, tmp_path / "out", "--record", path)
        card = (tmp_path / "out" / "README.md").read_text()
        assert (code, errors) == (0, "") and said in card and "equal error rate: lfw" in card
        assert get_source("lfw").license not in card and "lfw" not in (ModelCard(card).data.datasets or [])


def test_error_rates_by_group_stand_apart():
    record = Record(
        "verify", "facelab verify model lfw", {}, {"faces": {"source": "lfw@112"}},
        {"eer": Metric(0.1, 100), "fnmr/female": Metric(0.2, 50, 0.1, 0.3, "bootstrap over people"),
         "fmr/a|b with c": Metric(0.01)},
    )  # fmt: skip
    card = card_of(record)
    groups = card[card.index("## Error rates by group") : card.index("## How to use it")]
    assert "| fnmr: female | 0.200 | 0.100 to 0.300 | 50 |" in groups and "a\\|b with c" in groups
    assert "Not measured" not in groups and "was not measured" not in card
    assert "fnmr" not in card[card.index("## Results") : card.index("## Error rates by group")]
    assert {r.metric_type for r in ModelCard(card).data.eval_results} == {"eer", "fnmr", "fmr"}


@pytest.mark.parametrize(
    "name", ["---\nlicense: mit\n---", "a: b\n# c", "'\"`|<script>", "张伟 \U0001f600", "\x1b[31m\u202e", "\ud800"]
)
def test_whatever_a_name_is_the_card_is_read_as_it_was_meant(name):
    record = Record("x", "facelab verify", {}, {"faces": {"source": name}}, {f"{name}/{name}": Metric(0.5)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = ModelCard(card_of(record)).data
    assert data.license == "other" and len(data.eval_results) == 1
    assert data.eval_results[0].metric_value == 0.5
