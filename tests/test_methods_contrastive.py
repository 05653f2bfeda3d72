"""SupCon, SimCLR, VICReg and MoCo: one training step against the loss by hand, and the queue against a list."""

import copy
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from tiny import tiny_contrastive, tiny_faces
from torch import nn
from torch.nn.functional import normalize

from facelab.errors import BadParameterError
from facelab.losses import beta_nt_xent, distribution_similarity, info_nce, kl_to_standard, nt_xent, sup_con, vicreg
from facelab.methods import VCL, MoCo, SimCLR, SupCon, VICReg, embed_faces
from facelab.methods.base import apply_in_batches
from facelab.optim import parameter_groups
from facelab.training import Plan, fit

LABELS = torch.tensor([0, 1, 0, 2, 1])


def views_of(n: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 1, 16, 16, generator=generator) for _ in range(2)]


def test_sup_con_sees_both_views_of_everybody():
    method, views = tiny_contrastive(SupCon, norm=False, temperature=0.2), views_of(5)
    z = torch.cat([method.head(method.backbone(view)) for view in views])
    terms = method.training_step(views, LABELS, torch.arange(5))
    torch.testing.assert_close(terms["loss"], sup_con(z, torch.cat([LABELS, LABELS]), 0.2))


def test_sup_con_of_unknown_people_is_nt_xent():
    method, views = tiny_contrastive(SupCon, norm=False), views_of(5)
    z1, z2 = (method.head(method.backbone(view)) for view in views)
    terms = method.training_step(views, torch.full((5,), -1), torch.tensor([9, 4, 0, 7, 2]))
    torch.testing.assert_close(terms["loss"], nt_xent(z1, z2, 0.1))


def test_simclr_finds_partners_whoever_is_on_them():
    method, views = tiny_contrastive(SimCLR, norm=False, temperature=0.2), views_of(5)
    expected = nt_xent(*(method.head(method.backbone(view)) for view in views), 0.2)
    for labels in (LABELS, torch.zeros(5, dtype=torch.int64), torch.full((5,), -1)):
        terms = method.training_step(views, labels, labels)
        assert terms.keys() == {"loss"}
        torch.testing.assert_close(terms["loss"], expected)
    method.project = lambda view: view.flatten(1)  # 256 dimensions, nearly orthogonal
    assert method.training_step([views[0]] * 2, LABELS, LABELS)["loss"] < 0.2
    assert method.training_step([views[0], views[0].roll(1, dims=0)], LABELS, LABELS)["loss"] > 4


@pytest.mark.parametrize("n", [16, 64])
def test_simclr_starts_at_the_logarithm_of_the_other_views(n):
    method = tiny_contrastive(SimCLR, projection=128, hidden=256, temperature=0.5)
    method.backbone = nn.Sequential(nn.Flatten(), nn.Linear(256, 8))  # knows nothing, and forgets nothing
    loss = method.training_step(views_of(n), torch.zeros(n), torch.arange(n))["loss"]
    assert loss.item() == pytest.approx(math.log(2 * n - 1), rel=0.1)


@pytest.mark.parametrize(("layers", "widths"), [(2, [7, 6]), (3, [7, 7, 6])])
def test_simclr_has_a_batch_norm_behind_each_layer(layers, widths):
    method = tiny_contrastive(SimCLR, hidden=7, layers=layers)
    kinds = ([nn.Linear, nn.BatchNorm1d, nn.ReLU] * layers)[:-1]
    assert [type(layer) for layer in method.head] == kinds
    linear = [layer for layer in method.head if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == widths and all(layer.bias is None for layer in linear)
    with pytest.raises(BadParameterError, match="head of 1 layers.*Give 2.*or 3"):
        tiny_contrastive(SimCLR, layers=1)


def test_vicreg_weighs_its_terms_and_logs_them_without_weights():
    method, views = tiny_contrastive(VICReg, norm=False, invariance=2.0, variance=3.0, covariance=5.0), views_of(5)
    z = [method.head(method.backbone(view)) for view in views]
    terms, expected = method.training_step(views, LABELS, torch.arange(5)), vicreg(*z, 2, 3, 5)._asdict()
    assert list(terms) == ["loss", "invariance", "variance", "covariance"]
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name])
        assert value.requires_grad == (name == "loss")
    with torch.no_grad():  # nothing is normalised on the way
        for parameter in method.head[-1].parameters():
            parameter *= 2
    torch.testing.assert_close(
        method.training_step(views, LABELS, torch.arange(5))["invariance"], 4 * terms["invariance"]
    )


def test_the_expander_ends_without_norm_and_bias():
    head = tiny_contrastive(VICReg, expander=(7, 5, 6)).head
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in head] == kinds and head[-1].bias is None
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == [7, 5, 6]


def test_vcl_weighs_its_terms_and_compares_samples():
    """All three terms by hand, the noise drawn once more from the same state."""
    weights = {"temperature": 0.3, "beta": 0.2, "sigma": 0.7, "similarity": 2.0, "prior": 3.0}
    method, views = tiny_contrastive(VCL, norm=False, **weights), views_of(5)
    (mean1, log_var1), (mean2, log_var2) = (method.distribution(view).chunk(2, dim=1) for view in views)
    torch.manual_seed(4)
    z1 = mean1 + log_var1.exp().sqrt() * torch.randn(5, 3)
    z2 = mean2 + log_var2.exp().sqrt() * torch.randn(5, 3)
    contrast = beta_nt_xent(z1, z2, 0.3, 0.2, 0.7)
    similar = distribution_similarity(mean1, log_var1, mean2, log_var2)
    kl = (kl_to_standard(mean1, log_var1) + kl_to_standard(mean2, log_var2)) / 2
    torch.manual_seed(4)
    terms = method.training_step(views, LABELS, torch.arange(5))
    expected = {"loss": contrast + 2 * similar + 3 * kl, "contrast": contrast, "similarity": similar, "kl": kl}
    expected["deviation"] = torch.cat([log_var1, log_var2]).exp().sqrt().mean()
    assert list(terms) == list(expected)
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name])
        assert value.requires_grad == (name == "loss")


@pytest.mark.parametrize(
    "wrong", [{"layers": 1}, {"dimension": 0}, {"temperature": 0.0}, {"sigma": 0.0}, {"beta": -1.0}, {"prior": -1.0}]
)
def test_vcl_refuses_what_it_cannot_be(wrong):
    with pytest.raises(BadParameterError, match="Give 2 to 100 layers"):
        tiny_contrastive(VCL, **wrong)


def test_an_interrupted_embedding_leaves_the_mode_and_no_photograph_is_one_line():
    method, faces = tiny_contrastive(SimCLR).train(), tiny_faces()

    def stop(images):
        assert not method.training
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_in_batches(method, stop, faces)
    assert method.training
    with pytest.raises(BadParameterError, match="no photographs"):
        embed_faces(method, faces.subset(np.array([], dtype=int)))


@pytest.mark.parametrize("kind", [SupCon, SimCLR, VICReg, MoCo, VCL])
def test_what_is_kept_is_the_backbone_before_the_head(kind):
    """An earlier project filled its index with what the expander put out."""
    method, faces = tiny_contrastive(kind).eval(), tiny_faces()
    with torch.no_grad():
        clean = method.backbone(method.augmentation.preprocess(faces.images))
        projected = method.head(clean)
    assert clean.shape == (48, 8) and projected.shape == (48, 6)
    np.testing.assert_allclose(embed_faces(method, faces), clean, rtol=1e-6)


def test_moco_is_a_list_of_the_last_keys_and_a_moving_average():
    """K = 11 and batches of 4: the ring wraps within a batch. Everything by hand, with a Python list for the queue."""
    torch.manual_seed(3)
    method = tiny_contrastive(MoCo, norm=False, queue=11, momentum=0.7, temperature=0.3)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.5)
    ring = [(key, -2, -2) for key in method.queue.clone()]
    key_weights = [p.detach().clone() for p in (*method.backbone.parameters(), *method.head.parameters())]
    oldest = 0
    for step in range(7):
        views = views_of(4, seed=step)
        labels, rows = torch.tensor([0, 1, 0, -1]), torch.tensor([0, 1, 2, 3]) + 4 * (step % 2)
        with torch.no_grad():
            k = normalize(method.key_head(method.key_backbone(views[1])))
        q = method.head(method.backbone(views[0]))
        expected = info_nce(q, k, torch.stack([key for key, _, _ in ring]), 0.3)
        same_person = [sum(entry[1] == label for entry in ring) if label >= 0 else 0 for label in labels.tolist()]
        same_scene = [sum(entry[2] == row for entry in ring) for row in rows.tolist()]
        terms = method.training_step(views, labels, rows)
        torch.testing.assert_close(terms["loss"], expected)
        assert float(terms["same_person"]) == np.mean(same_person)
        assert float(terms["same_scene"]) == np.mean(same_scene)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        method.after_step()
        query_weights = [*method.backbone.parameters(), *method.head.parameters()]
        key_weights = [0.7 * key + 0.3 * query.detach() for key, query in zip(key_weights, query_weights, strict=True)]
        for row in range(4):
            ring[oldest] = (k[row], labels[row].item(), rows[row].item())
            oldest = (oldest + 1) % 11
        torch.testing.assert_close(method.queue, torch.stack([key for key, _, _ in ring]))
        assert method.queue_labels.tolist() == [label for _, label, _ in ring]
        assert method.queue_scenes.tolist() == [row for _, _, row in ring]
        found = [*method.key_backbone.parameters(), *method.key_head.parameters()]
        for one, other in zip(found, key_weights, strict=True):
            torch.testing.assert_close(one, other)
    assert method.pointer.item() == 28 % 11


def test_a_batch_larger_than_the_queue_leaves_its_last_keys():
    method, views = tiny_contrastive(MoCo, norm=False, queue=3), views_of(5)
    method.training_step(views, LABELS, torch.arange(5))
    assert sorted(method.queue_scenes.tolist()) == [2, 3, 4]


def test_only_the_query_encoder_learns():
    method, views = tiny_contrastive(MoCo, queue=8), views_of(5)
    learned = {id(p) for group in parameter_groups(method, 0.1) for p in group["params"]}
    assert learned == {id(p) for p in (*method.backbone.parameters(), *method.head.parameters())}
    method.training_step(views, LABELS, torch.arange(5))["loss"].backward()
    assert all(p.grad is None for p in (*method.key_backbone.parameters(), *method.key_head.parameters()))


def test_groups_have_statistics_of_their_own_and_keys_other_company():
    """With groups, a query is normalised among the queries of its part, and a key among those of a shuffled batch."""
    method, views = tiny_contrastive(MoCo, queue=8, groups=4), views_of(8)
    method.backbone[-1].p = method.key_backbone[-1].p = 0.0  # dropout
    alone = copy.deepcopy(method)
    q = torch.cat([alone.head(alone.backbone(views[0][at : at + 2])) for at in range(0, 8, 2)])
    torch.manual_seed(5)
    shuffle = torch.randperm(8)
    k = torch.empty(8, 6)
    for at in range(0, 8, 2):
        rows = shuffle[at : at + 2]
        k[rows] = alone.key_head(alone.key_backbone(views[1][rows])).detach()
    torch.manual_seed(5)
    loss = method.training_step(views, torch.zeros(8, dtype=torch.int64), torch.arange(8))["loss"]
    torch.testing.assert_close(loss, info_nce(q, k, alone.queue, 0.2))
    assert method.queue_scenes.tolist() == list(range(8))
    torch.testing.assert_close(method.queue, normalize(k))


def test_no_photograph_is_normalised_by_itself():
    method, sizes = tiny_contrastive(MoCo, queue=8, groups=8), []
    method.backbone.register_forward_hook(lambda module, given, made: sizes.append(len(made)))
    method.training_step(views_of(50), torch.zeros(50, dtype=torch.int64), torch.arange(50))
    assert sizes == [7, 7, 6, 6, 6, 6, 6, 6]
    with pytest.raises(BadParameterError, match="15 photographs in 8 groups .* batch of 16 or more"):
        method.training_step(views_of(15), torch.zeros(15, dtype=torch.int64), torch.arange(15))


@pytest.mark.parametrize("wrong", [{"queue": 0}, {"groups": 0}, {"momentum": 1.5}, {"momentum": -0.1}])
def test_moco_refuses_what_it_cannot_be(wrong):
    with pytest.raises(BadParameterError, match="Give a queue"):
        tiny_contrastive(MoCo, **wrong)


@pytest.mark.parametrize(
    ("kind", "options"),
    [(SupCon, {}), (SimCLR, {}), (VICReg, {}), (VCL, {}), (MoCo, {"queue": 11, "groups": 2})],
)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, kind, options):
    """The queue, its pointer and the key encoder are part of the checkpoint."""
    plan = Plan(epochs=2, batch_size=8, lr=0.05, per_class=2)
    whole = tiny_contrastive(kind, **options)
    fit(whole, tiny_faces(), plan)

    class Stop(Exception):
        pass

    stopped, count = tiny_contrastive(kind, **options), iter(range(10**6))
    real = kind.after_step
    monkeypatch.setattr(
        kind, "after_step", lambda self: real(self) if next(count) != 8 else (_ for _ in ()).throw(Stop)
    )
    with pytest.raises(Stop):
        fit(stopped, tiny_faces(), plan, folder=tmp_path, checkpoint_seconds=0)
    resumed = tiny_contrastive(kind, seed=9, **options)
    fit(resumed, tiny_faces(), plan, folder=tmp_path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


SHARED = """
import sys
import torch
from torch import distributed
from facelab.losses import beta_nt_xent, distribution_similarity, kl_to_standard, nt_xent, sup_con, vicreg
from facelab.methods.distributed import gather, local_shard, shared_permutation

torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=int(sys.argv[1]), world_size=2)
torch.manual_seed(0)
z, labels = torch.randn(2, 6, 4, dtype=torch.float64), torch.tensor([0, 1, 0, 2, 1, 0])
losses = {
    "nt_xent": lambda a, b, y: nt_xent(a, b, 0.5),
    "sup_con": lambda a, b, y: sup_con(torch.cat([a, b]), y.repeat(2)),
    "vicreg": lambda a, b, y: vicreg(a, b).loss,
}
for name, loss in losses.items():
    whole = z.clone().requires_grad_()
    loss(*whole, labels).backward()
    parts = [local_shard(view).clone().requires_grad_() for view in z]
    value = loss(*(gather(part) for part in parts), gather(local_shard(labels)))
    torch.testing.assert_close(value, loss(*z, labels), rtol=0, atol=1e-12)
    value.backward()
    for part, gradient in zip(parts, whole.grad):  # of two equal losses; DDP takes the mean
        torch.testing.assert_close(part.grad / 2, local_shard(gradient), rtol=0, atol=1e-12)
assert gather(local_shard(torch.arange(6))).tolist() == list(range(6))
torch.manual_seed(distributed.get_rank())  # streams apart, and yet one permutation
one, two = gather(shared_permutation(6, z.device)[None]).tolist()
assert one == two
distributed.destroy_process_group()  # its threads, left alone, now and then abort a process that ends
"""


def test_two_processes_share_one_batch(tmp_path):
    """Loss and gradient of NT-Xent, SupCon and VICReg over two processes are those of one with the joined batch; weights are
    in test_training, and MoCo."""
    processes = [
        subprocess.Popen([sys.executable, "-c", SHARED, str(rank), str(tmp_path / "store")], stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()[-2000:]
