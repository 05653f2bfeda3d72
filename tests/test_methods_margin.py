"""The method ``Margin`` and its heads: what learns, what moves, what resumes, and many classes."""

import math

import numpy as np
import pytest
import torch
from tiny import TinyBackbone, tiny_faces, tiny_margin
from torch.autograd.graph import saved_tensors_hooks

from facelab.augment import PLAIN
from facelab.backbones import backbone
from facelab.errors import BadParameterError
from facelab.losses import updated_centers
from facelab.losses.cosine import cosines
from facelab.methods import Margin, embed_faces, load_method, save_method
from facelab.methods.margin import LOSSES
from facelab.methods.margin_heads import CenterHead, CosineHead, RingHead, SphereHead
from facelab.training import Plan, fit

PLAN = Plan(epochs=3, batch_size=8, lr=0.01, warmup_epochs=0.5)


def a_batch(n: int = 12, dim: int = 6, classes: int = 4, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=generator), torch.randint(classes, (n,), generator=generator)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_people_and_moves_their_weights(loss):
    faces, method = tiny_faces(), tiny_margin(loss, annealing=10, scale=8.0)
    before = {name: value.clone() for name, value in method.head.named_parameters()}
    history = fit(method, faces, Plan(epochs=20, batch_size=8, lr=0.02))
    assert history.epochs[-1]["loss"] < 0.8 * history.epochs[0]["loss"]
    assert all(not torch.equal(before[name], value) for name, value in method.head.named_parameters())
    believed = method.predict(faces)
    assert believed.shape == (48, 4) and believed.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (believed.argmax(axis=1) == faces.labels()).mean() > 0.4  # chance: .25
    assert embed_faces(method, faces).shape == (48, 6)


@pytest.mark.parametrize("loss", LOSSES)
def test_evaluation_moves_nothing(loss):
    method = tiny_margin(loss).eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    x, labels = a_batch()
    if loss != "ring":  # its radius is not known before the first batch
        method.head(x, labels)
    method.predict(tiny_faces())
    assert all(torch.equal(before[name], value) for name, value in method.state_dict().items())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_stored_method_is_the_same_method(loss, tmp_path):
    torch.manual_seed(0)
    method = Margin(backbone("resnet10", in_channels=1, width=8), PLAIN, 4, loss, dimension=5).eval()
    path = tmp_path / "method.pt"
    save_method(method, path, size=16, classes=4, options={"loss": loss, "dimension": 5})
    again = load_method(path).method
    np.testing.assert_array_equal(again.predict(tiny_faces()), method.predict(tiny_faces()))


def test_a_checkpoint_of_another_margin_is_refused(tmp_path):
    fit(tiny_margin("cosface", margin=0.1), tiny_faces(), PLAN, folder=tmp_path)
    with pytest.raises(Exception, match="another method, plan or data"):
        fit(tiny_margin("cosface", margin=0.2), tiny_faces(), PLAN, folder=tmp_path)


class Interrupted(Exception):
    """In place of a power cut."""


@pytest.mark.parametrize("loss", ["center", "ring", "sphereface", "cosface"])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(loss, tmp_path, monkeypatch):
    """Centres, radius and the steps of the annealing too."""
    whole = tiny_margin(loss, annealing=12)
    fit(whole, tiny_faces(), PLAN)
    cut, calls = tiny_margin(loss, annealing=12), []

    def cut_after_ten() -> None:
        calls.append(1)
        if len(calls) == 10:
            raise Interrupted

    monkeypatch.setattr(cut, "after_step", cut_after_ten)
    with pytest.raises(Interrupted):
        fit(cut, tiny_faces(), PLAN, folder=tmp_path, checkpoint_seconds=0)
    again = tiny_margin(loss, seed=9, annealing=12)
    fit(again, tiny_faces(), PLAN, folder=tmp_path)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)


def test_the_radius_starts_at_the_mean_norm_of_the_first_batch():
    x, labels = a_batch()
    head = RingHead(6, 4, loss_weight=0.01)
    terms = head(x, labels)
    assert head.radius.item() == pytest.approx(x.norm(dim=1).mean().item())
    assert terms["ring"].item() == pytest.approx(x.norm(dim=1).var(correction=0).item() / 2, rel=1e-5)
    terms["loss"].backward()
    assert head.radius.grad.isfinite()
    head(5 * x, labels)
    assert head.radius.item() == pytest.approx(x.norm(dim=1).mean().item())  # the first batch alone


def test_centres_move_after_the_loss_was_taken():
    x, labels = a_batch()
    head = CenterHead(6, 4, loss_weight=2.0)
    first = head(x.requires_grad_(), labels)
    assert first["center"].item() == pytest.approx(x.square().sum(dim=1).mean().item() / 2)  # from 0
    torch.testing.assert_close(head.centers, updated_centers(x.detach(), labels, torch.zeros(4, 6)))
    first["loss"].backward()
    plain = torch.nn.functional.cross_entropy(head.logits(x), labels) + x.square().sum(dim=1).mean()
    (expected,) = torch.autograd.grad(plain, x)
    torch.testing.assert_close(x.grad, expected)


def test_annealing_counts_the_steps():
    x, labels = a_batch()
    head = SphereHead(6, 4, m=4, annealing_steps=10)
    values = [head(x, labels)["annealing"].item() for _ in range(12)]
    assert values == sorted(values, reverse=True) and values[0] == 1000 and values[-1] == 5
    head.eval()(x, labels)
    assert head.steps == 12
    assert SphereHead(6, 4, m=4, annealing_steps=0)(x, labels)["annealing"] == 0


def test_margins_and_importance_are_those_of_each_class():
    x, labels = a_batch()
    head = CosineHead(6, 4, lambda cos, margin: cos - margin, margin=0.3, scale=7.0)
    head.margins.copy_(torch.tensor([0.0, 0.1, 0.2, 0.4]))
    head.importance.copy_(torch.tensor([1.0, 2.0, 0.0, 5.0]))
    logits = 7 * cosines(x, head.weight)
    for row, label in enumerate(labels.tolist()):
        logits[row, label] -= 7 * head.margins[label]
    single = -logits.log_softmax(dim=1)[torch.arange(len(x)), labels]
    share = head.importance[labels]
    torch.testing.assert_close(head(x, labels)["loss"], (share * single).sum() / share.sum())


# Many classes


def partial(sample: float, classes: int, dim: int = 6) -> CosineHead:
    torch.manual_seed(0)
    return CosineHead(dim, classes, lambda cos, margin: cos - margin, margin=0.2, scale=16.0, sample=sample)


def test_a_batch_is_compared_with_its_own_classes_and_some_others():
    head, (_, labels) = partial(0.9, 1000), a_batch(classes=1000)
    rows, among = head.sample_classes(labels)
    assert len(rows) == len(rows.unique()) == 900
    assert torch.equal(rows[among], labels)
    again, _ = head.sample_classes(labels)
    assert set(rows.tolist()) != set(again.tolist())
    few, among = partial(0.001, 1000).sample_classes(labels)  # one class was asked for: the batch's own are there
    assert len(few) == len(few.unique()) == len(labels) and torch.equal(few[among], labels)


def test_no_class_is_none_of_those_that_are_drawn(monkeypatch):
    """As on a GPU, where nobody looks at the labels first: -1 stays outside of the classes, so that its lookup fails."""
    monkeypatch.setattr("facelab.methods.margin_heads.check_labels", lambda labels, classes: None)
    rows, among = partial(0.5, 50).sample_classes(torch.tensor([3, -1, 49]))
    assert among[1] < 0 and rows[among[[0, 2]]].tolist() == [3, 49]


def test_some_classes_give_the_loss_of_those_classes():
    x, labels = a_batch(classes=50)
    head = partial(0.5, 50)
    torch.manual_seed(3)
    found = head(x, labels)["loss"]
    torch.manual_seed(3)
    rows, among = head.sample_classes(labels)
    smaller = partial(1.0, len(rows))
    smaller.weight.data = head.weight.data[rows]
    torch.testing.assert_close(found, smaller(x, among)["loss"])


def test_sampled_classes_shrink_the_sum_over_others_in_proportion():
    """Rivals are drawn evenly: the mean over draws of the sum over the other classes is its share of the whole sum."""
    x, labels = a_batch(classes=50)
    labels[:] = 7  # one class of its own for the batch of 12, 49 others of which 11 are drawn
    head = partial(0.2, 50)
    e = (head.logits(x) - 16.0).exp()
    others = e.sum(dim=1) - e[:, 7]
    drawn = []
    for _ in range(2000):
        rows, _ = head.sample_classes(labels)
        drawn.append(e[:, rows].sum(dim=1) - e[:, 7])
    torch.testing.assert_close(torch.stack(drawn).mean(dim=0), others * 11 / 49, rtol=0.15, atol=0)


@pytest.mark.parametrize("wrong", [-1, 1000])
def test_a_label_that_is_no_class_is_refused(wrong):
    x, labels = a_batch(classes=1000)
    labels[1] = wrong
    for head in (partial(0.1, 1000), partial(1.0, 1000)):
        with pytest.raises(ValueError, match=f"{wrong}.*the classes to 999"):
            head(x, labels)


def bytes_kept(head: CosineHead, x: torch.Tensor, labels: torch.Tensor) -> int:
    """Of tensors that the forward pass keeps for the backward pass, each storage once; parameters not counted."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        head(x, labels)["loss"].backward()
    kept.pop(head.weight.untyped_storage().data_ptr(), None)
    return sum(kept.values())


def test_a_hundred_thousand_people_are_learned_a_few_at_a_time():
    """Noisy photographs of the first 200 of 1e5 identities; each step sees 2 % of the classes, the test all of them."""
    people, known, dim = 100_000, 200, 32
    generator = torch.Generator().manual_seed(1)
    faces = torch.randn(known, dim, generator=generator)

    def batch():
        labels = torch.randint(known, (256,), generator=generator)
        return faces[labels] + 0.3 * torch.randn(256, dim, generator=generator), labels

    head = partial(0.02, people, dim)
    x, labels = batch()
    assert bytes_kept(head, x, labels) < 0.1 * bytes_kept(partial(1.0, people, dim), x, labels)

    def right() -> float:
        with torch.no_grad():
            return (head.logits(x).argmax(dim=1) == labels).float().mean().item()

    assert right() < 0.02
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad(set_to_none=True)
        head(*batch())["loss"].backward()
        optimizer.step()
    assert right() > 0.9


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"loss": "arcfac"}, "arcfac.*normalised"),
        ({"loss": "sphereface", "margin": 3.5}, "m 3.5"),
        ({"loss": "sphereface", "margin": 0.0}, "m 0"),
        ({"sample": 0.0}, "sample 0.0"),
        ({"sample": 1.5}, "sample 1.5"),
        ({"scale": 0.0}, "scale 0.0"),
        ({"scale": math.inf}, "scale inf"),
        ({"scale": math.nan}, "scale nan"),
        ({"loss": "arcface", "margin": 3.2}, "m 3.2.*radians"),
        ({"loss": "arcface-easy", "margin": 3.2}, "m 3.2.*radians"),
        ({"loss": "sphereface", "margin": math.inf}, "margin of inf"),
        ({"loss": "center", "margin": math.nan}, "margin of nan"),
        ({"dimension": 0}, "dimension 0"),
        ({"annealing": -1}, "annealing -1"),
        ({"classes": 1}, "1 classes"),
    ],
)
def test_impossible_options_are_one_clear_error(options, told):
    with pytest.raises(BadParameterError, match=told):
        Margin(TinyBackbone(), PLAIN, **{"classes": 4} | options)
