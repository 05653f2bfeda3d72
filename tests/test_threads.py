"""How many threads work gets: by its size, never against the user's choice, and the same digits whatever the machine has."""

import os
import subprocess
import sys

import nbformat
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from tiny import tiny_contrastive, tiny_faces, tiny_method
from torch import nn

from facelab import labs, records, threads
from facelab.errors import BadParameterError
from facelab.labs import batch
from facelab.labs.parameters import find_source
from facelab.methods import SimCLR, embed_faces
from facelab.methods.operations import count_operations
from facelab.training import Plan, fit
from facelab.training import loop as training_loop

VARIABLES = (*threads.MOST_VARIABLES, *threads.CHOICE_VARIABLES)


class Counter:
    """PyTorch's number of threads, which computes nothing: more threads than cores would be slow."""

    def __init__(self, number: int) -> None:
        self.number = number

    def get_num_threads(self) -> int:
        return self.number

    def set_num_threads(self, number: int) -> None:
        self.number = number


@pytest.fixture
def machine(monkeypatch):
    """Gives PyTorch, or what counts in its place, so many cores, and the user no choice of threads yet."""
    before = torch.get_num_threads()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def cores(number: int, of: Counter | None = None):
        of = of or Counter(number)
        of.set_num_threads(number)
        monkeypatch.setattr(threads, "torch", of)
        monkeypatch.setattr(threads, "_at_start", number)
        monkeypatch.setattr(threads, "_last_set", number)
        monkeypatch.setattr(threads, "_most_given", 0)
        return of

    yield cores
    torch.set_num_threads(before)


def per_thread(monkeypatch, operations: float) -> None:
    monkeypatch.setattr(threads, "OPERATIONS_PER_THREAD", operations)


def test_each_thread_is_given_enough_to_do(machine, monkeypatch):
    machine(8)
    per_thread(monkeypatch, 100)
    assert [threads.choose_threads(n) for n in (0, 99, 199, 200, 350, 799, 800, 10**9)] == [1, 1, 1, 2, 3, 7, 8, 8]


@pytest.mark.parametrize("name", threads.MOST_VARIABLES)
def test_a_variable_says_how_many_there_are_at_most(machine, monkeypatch, name):
    machine(8)
    monkeypatch.setenv(name, "3")
    assert threads.choose_threads(1e15) == 3
    monkeypatch.setenv(name, "20")
    assert threads.choose_threads(1e15) == 8
    monkeypatch.setenv("FACELAB_THREADS", "2")  # before that of Slurm
    assert threads.choose_threads(1e15) == 2


@pytest.mark.parametrize("text", ["0", "-1", "2.0", "many", "²"])
def test_a_variable_that_is_no_number_of_threads_is_named(machine, monkeypatch, text):
    machine(2)
    monkeypatch.setenv("FACELAB_THREADS", text)
    run = batch.plan_source(find_source("02"), {}, parse=False)
    for begin in (threads.most_threads, threads.begin_with_one_thread, lambda: batch.prepare(run)):
        with pytest.raises(BadParameterError, match="FACELAB_THREADS"):
            begin()


def test_a_block_gets_its_threads_and_gives_them_back(machine):
    machine(4, of=torch)
    with threads.threads_for(0):
        assert torch.get_num_threads() == 1
        with threads.threads_for(3 * threads.OPERATIONS_PER_THREAD):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 4
    with pytest.raises(ZeroDivisionError), threads.threads_for(0):
        _ = 1 / 0
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize("name", threads.CHOICE_VARIABLES)
def test_the_users_variable_wins(machine, monkeypatch, name):
    machine(4, of=torch)
    monkeypatch.setenv(name, "4")
    threads.begin_with_one_thread()
    with threads.threads_for(0):
        assert torch.get_num_threads() == 4


def test_the_users_set_num_threads_wins_before_within_and_after_a_block(machine):
    machine(4, of=torch)
    with threads.threads_for(0):
        torch.set_num_threads(2)
    assert torch.get_num_threads() == 2
    with threads.threads_for(1e15):
        assert torch.get_num_threads() == 2
    threads.begin_with_one_thread()
    assert torch.get_num_threads() == 2


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3, stride=2, groups=4),
            nn.Flatten(), nn.Linear(16 * 4 * 4, 5),
        )  # fmt: skip


def test_operations_are_those_of_the_formula_and_counting_leaves_no_trace():
    """A multiplication and an addition for each weight and each place it is used at; for both photographs."""
    network = Net().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.register_forward_hook(lambda *_: pytest.fail("the pass was seen"))
    first, second, last = 8 * 3 * 9 * 10 * 10, 16 * (8 // 4) * 9 * 4 * 4, 16 * 4 * 4 * 5
    assert count_operations(network, torch.zeros(2, 3, 10, 10)) == 2 * 2 * (first + second + last)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def watched_fit(monkeypatch, plan, pytorch: Counter) -> tuple[set[int], set[int]]:
    """How many threads the steps of a training had, and its validation."""
    method, faces, steps, validations = tiny_contrastive(SimCLR), tiny_faces(), set(), set()
    step = training_loop.TrainingLoop.step

    def watched(self, *given) -> None:
        steps.add(pytorch.number)
        step(self, *given)

    monkeypatch.setattr(training_loop.TrainingLoop, "step", watched)

    def validate(trained) -> float:
        validations.add(pytorch.number)
        return 0.0

    fit(method, faces, plan, validate=validate)
    return steps, validations


@pytest.mark.parametrize("chunk", [0, 4])
def test_a_training_gets_threads_by_what_passes_the_network_at_once(machine, monkeypatch, chunk):
    plan = Plan(epochs=1, batch_size=8, chunk=chunk, warmup_epochs=0.5)
    method, faces = tiny_contrastive(SimCLR), tiny_faces()
    image = method.augmentation.preprocess(torch.from_numpy(faces.images[:1]).permute(0, 3, 1, 2))
    one = count_operations(method.backbone.eval(), image)
    at_once = method.views * (chunk or 8) * one
    for per, expected in ((at_once + 1, 1), (at_once / 2 + 1, 1), (at_once / 2, 2), (at_once / 3, 3), (1, 4)):
        pytorch = machine(4)
        per_thread(monkeypatch, per)
        assert watched_fit(monkeypatch, plan, pytorch) == ({expected}, {expected})
        assert pytorch.number == 4
        assert records.versions()["machine"].endswith(f", {expected} threads")


def test_embedding_gets_threads_by_its_batch(machine, monkeypatch):
    method, faces = tiny_method(), tiny_faces()
    pytorch = machine(4)
    per_thread(monkeypatch, 1)
    seen = set()
    method.backbone.register_forward_hook(lambda *_: seen.add(pytorch.number))
    embed_faces(method, faces)
    per_thread(monkeypatch, 1e15)
    embed_faces(method, faces)
    assert seen == {1, 4} and pytorch.number == 4


def test_small_work_has_the_same_digits_on_a_machine_of_any_size(machine):
    found = []
    for cores in (1, 2, 4):
        machine(cores, of=torch)
        method = tiny_method()
        history = fit(method, tiny_faces(), Plan(epochs=2, batch_size=8))
        weights = torch.cat([value.flatten().double() for value in method.state_dict().values()])
        found.append((history.epochs, weights.numpy().tobytes(), embed_faces(method, tiny_faces()).tobytes()))
    assert found[0] == found[1] == found[2]


def blas_threads() -> set[int]:
    return {entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"}


@pytest.mark.parametrize(
    "preset, choice, expected", [("smoke", None, 1), ("laptop", None, 1), ("laptop", "2", 2), ("paper", None, 2)]
)
def test_a_notebook_begins_with_one_thread_also_of_blas(machine, monkeypatch, preset, choice, expected):
    machine(2, of=torch)
    if choice:
        monkeypatch.setenv("OMP_NUM_THREADS", choice)
    with threadpool_limits(2, "blas"):
        labs.begin("00_start_here", preset=preset, dataset="orl-wild", seed=0)
        assert torch.get_num_threads() == expected and blas_threads() == {expected}


@pytest.mark.parametrize("own", [None, "77"])
def test_waiting_is_cheap_before_pytorch_is_loaded_unless_the_user_says_otherwise(own):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    environment |= {"GOMP_SPINCOUNT": own} if own else {}
    code = "import facelab, os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert answer.stdout.split() == [own or "1000", "False"]


def test_kernels_of_batch_runs_inherit_it_before_they_load_pytorch(notebook_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = notebook_folder / "98_test.py"
    source.write_text(
        '# %% tags=["parameters"]\nseed: int = 0\n\n# %%\nimport os\nprint(os.environ["GOMP_SPINCOUNT"])\n'
    )
    cells = nbformat.read(batch.run_notebook(source, {}), 4).cells
    assert "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", [])) == (
        os.environ["GOMP_SPINCOUNT"] + "\n"
    )
