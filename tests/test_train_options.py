"""``facelab train``: each option changes what comes out, or is refused; and what cannot be is said before the first step."""

import inspect
import os
import shlex
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_faces

from facelab import cli, files
from facelab.commands.train import task as task_module
from facelab.commands.train.command import train
from facelab.commands.train.settings import Settings
from facelab.datasets import FaceSet
from facelab.errors import BadParameterError, FacelabError
from facelab.tensor_files import content_digest, load_tensors
from facelab.training import loop

BASE = "facelab train supcon --dataset tiny --size 16 --width 8 --epochs 1 --batch-size 8 -p projection=6 --do train"


def faces(name: str, size: int) -> FaceSet:
    """Six people with ten photographs, the last one with five; two photographs in a row are of one moment."""
    whole = tiny_faces(people=6, shots=10, size=size, seed=int(name == "other"))
    whole = replace(whole, attributes=whole.attributes.assign(moment=np.arange(60) // 2))
    return whole.subset(np.arange(55))


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    monkeypatch.setattr(task_module, "load", faces)


def call(line: str) -> None:
    cli.app(shlex.split(line)[1:], standalone_mode=False)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Hash of all weights that a line leaves; of each line once."""
    known = {}

    def of(line: str) -> str:
        if line not in known:
            folder = tmp_path_factory.mktemp("run")
            call(f"{line} --out {folder}")
            states = [load_tensors(path)[0]["state_dict"] for path in sorted(folder.glob("*.pt"))]
            known[line] = content_digest(states)
        return known[line]

    return of


CHANGES = {
    "dataset": "--dataset other", "min_photos": "--min-photos 6", "size": "--size 24", "people": "--people unseen",
    "scene": "--scene moment", "param": "-p temperature=0.5", "augmentation": "--augmentation moco_v2",
    "backbone": "--backbone resnet9", "width": "--width 16", "weights": "--weights {weights}", "freeze": "--freeze 2",
    "head": "--head frozen", "head_epochs": "--head-epochs 2", "epochs": "--epochs 2", "batch_size": "--batch-size 16",
    "per_class": "--per-class 2", "lr": "--lr 0.1", "optimizer": "--optimizer sgd", "weight_decay": "--weight-decay 5",
    "momentum": "--momentum 0.5", "warmup_epochs": "--warmup-epochs 0", "clip_norm": "--clip-norm 0.001",
    "seed": "--seed 1", "chunk": "--chunk 3", "precision": "--precision bf16-mixed",
}  # fmt: skip
ON_CPU = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU trains here")
BESIDE = {"head_epochs": "--head finetuned --head-epochs 1", "momentum": "--optimizer sgd"}  # what an option belongs to


@pytest.mark.parametrize("option", CHANGES)
def test_an_option_changes_what_comes_out(tmp_path, outcome, option):
    base = f"{BASE} {BESIDE.get(option, '')}".strip()
    if option == "weights":
        call(f"{BASE} --seed 5 --out {tmp_path}")
    assert outcome(f"{base} {CHANGES[option].format(weights=tmp_path / 'method.pt')}") != outcome(base)


def test_no_option_is_left_out_of_the_table():
    # what is done, where and by whom: tested elsewhere
    others = {"method", "recipe", "do", "plots", "devices", "sync_batch_norm", "logger", "out"}
    known = inspect.signature(train).parameters
    assert {*CHANGES, *others} == set(known)
    assert known["head_epochs"].default == Settings.head_epochs


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--head-epochs 2", "--head-epochs changes nothing here: there is no --head"),
        ("--momentum 0.5", "--momentum changes nothing here: adamw"),
        ("--chunk 8", "--chunk changes nothing here: a batch has 8"),
        ("--per-class 9", "--per-class changes nothing here: a batch has 8"),
        ("--devices 2 --do test", "--devices changes nothing here"),
        ("--logger csv --do test", "--logger changes nothing here: nothing is trained"),
        ("--logger tensorbord", "Did you mean 'tensorboard'"),
        pytest.param("--sync-batch-norm --devices 2", "SyncBatchNorm for GPUs alone", marks=ON_CPU),
        ("--scene file", "--scene file: no two training photographs"),
        ("-p temperature=0", "temperature is 0.0. Give a number above 0"),
        ("-p temperature=-1", "Give a number above 0"),
        ("-p temperature=1e400", "temperature of supcon is 1e400, too large"),
        ("-p projection=0", "above 0"),
        ("-p projection=1000000000000", "projection of supcon is 1000000000000, too large"),
        (f"-p projection={10**30}", "too large"),
        ("-p projection=2000000000", "GB in a training.*are free. Lower"),
        ("-p tempreature=1", "Did you mean 'temperature'"),
        ("--width 80000", "GB in a training.*are free. Lower"),
        (f"--seed {2**32}", f"A seed of {2**32}. Give a whole number from 0 to {2**32 - 1}"),
        (f"--seed {2**64}", "A seed of"),
        ("--lr nan", "A learning rate of nan"),
        ("--lr inf", "A learning rate of inf"),
        ("--lr 0", "A learning rate of 0"),
        ("--optimizer sgd --momentum 2", "Momentum 2.0"),
        ("--optimizer sgd --momentum nan", "Momentum nan"),
        ("--weight-decay inf", "weight decay inf"),
        ("--clip-norm inf", "norm clipped at inf"),
        ("--warmup-epochs 3", "A warm-up of 3.0 epochs in a run of 1"),
        ("--batch-size 10000000", "a batch 10000000. Choose a smaller batch"),
        (f"--batch-size {10**30}", "Choose a smaller batch"),
        ("--devices 9999", "--devices 9999, and this machine has|--devices 9999 cannot be had"),
        ("--precision 16-mixd", "Did you mean '16-mixed'"),
        ("--backbone resent10", "Did you mean 'resnet10'"),
        ("--optimizer admw", "Did you mean 'adamw'"),
        ("--augmentation suppcon", "Did you mean 'supcon'"),
        ("--people unsen", "Did you mean 'unseen'"),
        ("--head frozzen", "Did you mean 'frozen'"),
        ("--do tests", "Did you mean 'test'"),
        ("--out ~nosuchuser/x", "nobody's home"),
        ("--weights ~nosuchuser/x", "nobody's home"),
    ],
)
def test_what_cannot_be_or_changes_nothing_is_said_before_the_first_step(tmp_path, monkeypatch, typed, said):
    monkeypatch.setattr(loop.TrainingLoop, "step", lambda *_: pytest.fail("it trained"))
    with pytest.raises(FacelabError, match=said) as error:
        call(f"{BASE.replace('-p projection=6', '')} --out {tmp_path} {typed}")
    assert "\n" not in str(error.value) and "remove" not in str(error.value).lower()
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("classifier -p label_smoothing=10", "label_smoothing of 10.0. It is a share: give 0 to 1"),
        ("classifier -p label_smoothing=-0.1", "share"),
        ("moco -p temperature=0", "above 0"),
        ("moco -p momentum=2", "momentum from 0 to 1"),
        ("moco -p queue=1e11", "'1e11', which is no int"),
        ("moco -p queue=-5", "Give a queue"),
        ("moco -p queue=2000000000", "GB in a training.*Lower"),
        ("simclr -p temperature=0", "above 0"),
        ("vicreg -p variance=-1", "Give 0 or more of each"),
        ("vcl -p beta=0 -p sigma=0.3", "-p sigma changes nothing here"),
        ("margin -p loss=softmax -p scale=10", "-p scale changes nothing here"),
        ("margin -p loss=normalised -p margin=0.1", "-p margin changes nothing here"),
        ("margin -p annealing=5", "-p annealing changes nothing here"),
        ("margin -p loss=cosfaec", "Did you mean 'cosface'"),
        ("supcom", "Did you mean 'supcon'"),
    ],
)
def test_an_option_of_a_method_likewise(tmp_path, monkeypatch, typed, said):
    monkeypatch.setattr(loop.TrainingLoop, "step", lambda *_: pytest.fail("it trained"))
    with pytest.raises(FacelabError, match=said):
        call(f"facelab train {typed} --dataset tiny --size 16 --width 8 --epochs 1 --batch-size 8 --out {tmp_path}")


def test_a_data_set_is_called_by_a_name_that_is_nearly_right(monkeypatch):
    monkeypatch.undo()
    with pytest.raises(BadParameterError, match="Did you mean 'orl-wild'"):
        call("facelab train supcon --dataset orl-wil")


def test_one_photograph_of_each_person_is_refused_before_the_training(tmp_path, monkeypatch):
    """Nobody to be tested has a second photograph to be found by."""
    monkeypatch.setattr(task_module, "load", lambda name, size: tiny_faces(people=24, shots=1))
    monkeypatch.setattr(loop.TrainingLoop, "step", lambda *_: pytest.fail("it trained"))
    with pytest.raises(BadParameterError, match="two photographs"):
        call(
            f"facelab train moco --dataset tiny --people unseen --min-photos 1 --size 16 --width 8 --batch-size 4 "
            f"--epochs 1 --out {tmp_path}"
        )


def test_the_file_of_weights_is_part_of_the_run(tmp_path):
    """Another file under the same name: the old result is not handed out for it."""
    weights = tmp_path / "start.pt"
    for seed in (5, 6):
        call(f"{BASE} --seed {seed} --out {tmp_path / str(seed)}")
    weights.write_bytes((tmp_path / "5" / "method.pt").read_bytes())
    call(f"{BASE} --weights {weights} --out {tmp_path / 'run'}")
    call(f"{BASE} --weights {weights} --out {tmp_path / 'run'}")
    weights.write_bytes((tmp_path / "6" / "method.pt").read_bytes())
    with pytest.raises(FacelabError, match="another run"):
        call(f"{BASE} --weights {weights} --out {tmp_path / 'run'}")


def test_a_folder_that_somebody_uses_is_not_written_to(tmp_path):
    """Litter is no content; anything else is, a method of the same name above all."""
    (tmp_path / ".DS_Store").touch()
    call(f"{BASE} --out {tmp_path}")
    other = tmp_path / "other"
    other.mkdir()
    (other / "method.pt").write_text("somebody's")
    with pytest.raises(FacelabError, match=f"{other} holds something else than a training: method.pt.*another --out"):
        call(f"{BASE} --out {other}")
    assert [path.name for path in other.iterdir()] == ["method.pt"]
    with pytest.raises(FacelabError, match="method.pt is a file"):
        call(f"{BASE} --out {other / 'method.pt'}")


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    refused = pytest.raises(FacelabError, match="in use by another facelab train.*choose another")
    with files.lock_folder(tmp_path, "facelab train"), refused:
        call(f"{BASE} --out {tmp_path}")
    call(f"{BASE} --out {tmp_path}")


def test_what_a_killed_training_left_is_removed_by_the_next(tmp_path):
    """Of our own names alone."""
    call(f"{BASE} --out {tmp_path}")
    (tmp_path / "head").mkdir()
    left = [tmp_path / ".last.ckpt-abcd1234.partial", tmp_path / "head" / ".last.ckpt-abcd1234.partial"]
    foreign = [tmp_path / ".last.ckpt-notes", tmp_path / "head" / ".app-settings"]
    for path in (*left, *foreign):
        path.touch()
    call(f"{BASE} --out {tmp_path}")
    assert not any(path.exists() for path in left) and all(path.exists() for path in foreign)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process could catch")
def test_a_training_asked_to_end_by_sigterm_leaves_nothing_half_written_and_goes_on(tmp_path, monkeypatch, capsys):
    """It comes while the second checkpoint is written."""
    line = BASE.replace("--epochs 1", "--epochs 3")
    call(f"{line} --out {tmp_path / 'whole'}")
    real, count = Path.write_bytes, iter(range(100))

    def write(path, data):
        written = real(path, data)
        if next(count) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return written

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
            patched.setattr(Path, "write_bytes", write)
            patched.setattr("sys.argv", [*shlex.split(line), "--out", str(tmp_path / "cut")])
            cli.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == 75 and capsys.readouterr().err.strip().endswith("The same call goes on from there.")
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {".lock", "command.txt", "last.ckpt"}
    call(f"{line} --out {tmp_path / 'cut'}")
    states = [load_tensors(tmp_path / name / "method.pt")[0]["state_dict"] for name in ("whole", "cut")]
    assert content_digest(states[0]) == content_digest(states[1])


def test_a_damaged_checkpoint_or_method_is_one_line_with_a_remedy_that_there_is(tmp_path):
    """A bit of a weight in the middle of the file: it would still be a number."""
    for name in ("last.ckpt", "method.pt"):
        folder = tmp_path / name
        call(f"{BASE} --out {folder}")
        whole = (folder / name).read_bytes()
        place = len(whole) // 2
        (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        todo = "train" if name == "last.ckpt" else "test"
        with pytest.raises(FacelabError, match=f"{name} is damaged.*another --out") as error:
            call(f"{BASE.replace('--do train', f'--do {todo}')} --out {folder}")
        assert "\n" not in str(error.value) and "emove" not in str(error.value)


def test_a_folder_of_photographs_is_recorded_from_the_root(tmp_path, monkeypatch):
    """So that the command makes the record again from wherever it is typed."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    call(f"{BASE.replace('tiny', 'folder:../faces')} --out {tmp_path / 'run'}")
    assert f"--dataset folder:{tmp_path}/faces " in (tmp_path / "run" / "command.txt").read_text()
