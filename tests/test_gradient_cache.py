"""Batches in chunks: the weights of a whole batch, in the memory of a chunk."""

from functools import partial

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from tiny import tiny_contrastive, tiny_faces, tiny_method

from facelab.errors import BadParameterError, TrainingError
from facelab.experiments.analysis.memory import PeakMemory
from facelab.methods import Method, MoCo, SimCLR, SupCon, VICReg
from facelab.training import Plan, fit, loop, with_gradient_cache

KINDS = [SimCLR, SupCon, VICReg]
on_cpu = partial(Fabric, accelerator="cpu", devices=1)
PRECISIONS = {"32-true": 1e-5, "64-true": 1e-10}  # and how far two ways of one sum may be apart


def plan(chunk: int = 0, batch_size: int = 12) -> Plan:
    return Plan(2, batch_size, 0.05, "sgd", per_class=2, clip_norm=2.0, seed=3, chunk=chunk)


def trained(method: Method, chunk: int = 0, batch_size: int = 12, fabric: Fabric | None = None):
    """Weights and history after a few steps, which did change something."""
    before = {name: value.clone() for name, value in method.state_dict().items()}
    history = fit(method, tiny_faces(), plan(chunk, batch_size), fabric=fabric)
    after = method.state_dict()
    assert all((after[name] != before[name]).any() for name in before if name.endswith("0.weight"))
    return after, history.epochs


def assert_same(one, other, tolerance: float) -> None:
    (weights, epochs), (others, other_epochs) = one, other
    torch.testing.assert_close(weights, others, rtol=tolerance, atol=tolerance)
    assert len(epochs) == len(other_epochs) == 2
    for epoch, other_epoch in zip(epochs, other_epochs, strict=True):
        assert epoch == pytest.approx(other_epoch, rel=1e-5)  # of the same terms too; logged in float32


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_without_batch_norm_chunks_are_the_whole_batch(kind, precision):
    whole, chunked = (
        trained(tiny_contrastive(kind, norm=False), chunk, 14, on_cpu(precision=precision)) for chunk in (0, 4)
    )
    assert_same(chunked, whole, PRECISIONS[precision])


def keeping_all(kind: type[Method], sizes: list[int]) -> type[Method]:
    """The method with batch statistics and dropout by chunks, but the graphs of all of them in memory at once."""

    class KeepingAll(kind):
        def project(self, view):
            return torch.cat([super(KeepingAll, self).project(part) for part in view.split(sizes)])

    return KeepingAll


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("batch_size", "chunk", "sizes"),
    [(12, 4, [4, 4, 4]), (14, 4, [4, 4, 3, 3]), (13, 4, [4, 3, 3, 3]), (5, 2, [3, 2]), (12, 99, [12])],
)
def test_chunks_are_the_same_chunks_kept_in_memory(kind, precision, batch_size, chunk, sizes):
    """With batch norm and dropout. The running statistics and their count are among the weights; nobody is left alone."""
    kept = trained(tiny_contrastive(keeping_all(kind, sizes)), 0, batch_size, on_cpu(precision=precision))
    chunked = trained(tiny_contrastive(kind), chunk, batch_size, on_cpu(precision=precision))
    assert_same(chunked, kept, PRECISIONS[precision])


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_is_that_of_the_whole_batch(precision):
    """The scaler of 16-mixed scales the gradient once: else a step would be lost, or larger than it should be."""
    kept, chunked = (
        trained(method, chunk, fabric=on_cpu(plugins=MixedPrecision(precision, "cpu")))
        for method, chunk in ((tiny_contrastive(keeping_all(SimCLR, [4, 4, 4])), 0), (tiny_contrastive(SimCLR), 4))
    )
    assert_same(chunked, kept, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, kind):
    whole, _ = trained(tiny_contrastive(kind), 5)
    real, count = loop.TrainingLoop._descend, iter(range(10**6))

    def dying(*given):
        if next(count) == 6:
            raise KeyboardInterrupt
        real(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop.TrainingLoop, "_descend", dying)
        fit(tiny_contrastive(kind), tiny_faces(), plan(5), folder=tmp_path, checkpoint_seconds=0)
    with pytest.raises(TrainingError, match="another method, plan"):
        fit(tiny_contrastive(kind), tiny_faces(), plan(4), folder=tmp_path)
    resumed = tiny_contrastive(kind, seed=9)
    fit(resumed, tiny_faces(), plan(5), folder=tmp_path)
    torch.testing.assert_close(resumed.state_dict(), whole, rtol=0, atol=0)


def test_a_batch_takes_the_memory_of_a_chunk():
    """256 photographs in chunks of 32. What is compared at once is small here; what the network keeps is not."""
    views, labels, peaks = [torch.randn(256, 1, 32, 32) for _ in range(2)], torch.arange(256), {}
    for chunk in (0, 32):
        with PeakMemory() as memory:
            with_gradient_cache(tiny_contrastive(VICReg), chunk)(views, labels, labels)["loss"].backward()
        peaks[chunk] = memory.peak
    assert (
        peaks[0] > 2 * 256 * 2 * 8 * 15 * 15 * 4
    )  # two maps of each view: before and after the batch norm, in float32
    assert peaks[32] < peaks[0] / 8


@pytest.mark.parametrize("method", [tiny_method(), tiny_contrastive(MoCo, queue=8)])
def test_methods_that_do_not_compare_a_batch_are_refused(method):
    with pytest.raises(BadParameterError, match=f"{type(method).__name__} cannot.*Leave chunk at 0"):
        fit(method, tiny_faces(), plan(4))
    assert with_gradient_cache(method, 0) is method


@pytest.mark.parametrize("chunk", [-1, 1])
def test_a_chunk_has_photographs_to_take_statistics_of(chunk):
    with pytest.raises(BadParameterError, match="2 or more.*or 0"):
        plan(chunk)
