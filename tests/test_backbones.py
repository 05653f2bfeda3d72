"""Backbones against torchvision's networks and published parameter counts; freezing, weights and heads."""

import copy
import pickle
import subprocess
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from facelab.backbones import (
    BACKBONES,
    PUBLISHED_WEIGHTS,
    STEMS,
    backbone,
    freeze,
    load_weights,
    mlp_head,
    parameter_layers,
)
from facelab.backbones.inception_resnet_v1 import block8, block17, block35
from facelab.backbones.projection import Projection
from facelab.errors import BadParameterError, DataMissingError

TORCHVISION = ("resnet18", "resnet34", "resnet50", "resnet101")


def images(n=2, channels=3, size=64, seed=0):
    pixels = np.random.default_rng(seed).standard_normal((n, channels, size, size)).astype(np.float32)
    return torch.from_numpy(pixels)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "features", "expected"),
    [
        # torchvision's count without the classifier of 1000 classes
        ("resnet18", 512, 11_689_512 - 513 * 1000),
        ("resnet34", 512, 21_797_672 - 513 * 1000),
        ("resnet50", 2048, 25_557_032 - 2049 * 1000),
        ("resnet101", 2048, 44_549_160 - 2049 * 1000),
        # ResNet-34 and one more block of 256 channels: two 3x3 convolutions, each with a batch norm
        ("resnet36", 512, 21_797_672 - 513 * 1000 + 2 * (9 * 256 * 256 + 2 * 256)),
        # timm's 5.44 M with 1000 classes: 5,435,488
        ("resnet10t", 512, 5_435_488 - 513 * 1000),
        # torchvision's count without the three layers of the classifier: 25088-4096-4096-1000
        ("vgg11_bn", 512, 132_868_840 - (25089 * 4096 + 4097 * 4096 + 4097 * 1000)),
        ("vgg16", 512, 138_357_544 - (25089 * 4096 + 4097 * 4096 + 4097 * 1000)),
        # facenet-pytorch's with its bottleneck of 512, without the classifier
        ("inception_resnet_v1", 512, 23_482_624),
    ],
)
def test_parameter_counts_are_the_published_ones(name, features, expected):
    with torch.device("meta"):
        network = backbone(name)
    assert (count(network), network.num_features) == (expected, features)


def test_resnet9_by_formula():
    """Convolutions of 3x3 without bias, each with a batch norm: 6,568,000 at width 64, as Page's but for the classifier."""
    widths = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 512), (512, 512), (512, 512)]
    network = backbone("resnet9")
    assert count(network) == sum(9 * before * after + 2 * after for before, after in widths) == 6_568_000
    assert network.num_features == 512 and backbone("resnet9", width=16).num_features == 128
    sides = []
    for layer in (network.body.prep, network.body.layer1, network.body.layer2, network.body.layer3):
        layer.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    network(images(2, size=32))
    assert sides == [32, 16, 8, 4], "full resolution at first, then halved three times"
    with pytest.raises(BadParameterError, match="at least 8x8"):
        network(images(2, size=7))


def test_the_network_for_aligned_faces_by_formula():
    """Convolutions as ResNet-9's but for the second pair, of half the channels; the last norm over 3 x 3 places."""
    widths = [(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)]
    network = backbone("resnet9_aligned", stem="small")
    convolutions = sum(9 * before * after + 2 * after for before, after in widths)
    assert count(network) == convolutions + 2 * 9 * 512 and network.num_features == 9 * 512
    sides = []
    for layer in (network.body.prep, network.body.layer1, network.body.layer2, network.body.pool):
        layer.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    network(images(2, size=48))
    assert sides == [24, 12, 6, 3]


@pytest.mark.parametrize(("stem", "least"), [("cifar", 12), ("small", 23)])
def test_the_network_for_aligned_faces_has_nine_places_from_its_least_side_on(stem, least):
    maps = []
    for side in (least - 1, least):
        network = backbone("resnet9_aligned", width=8, stem=stem).eval()
        network.body.layer3.register_forward_hook(lambda module, inputs, output: maps.append(output.shape[-1]))
        network.body(images(size=side))
    assert maps == [2, 3]
    with pytest.raises(BadParameterError, match=f"at least {least}x{least}"):
        network(images(size=least - 1))


@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 5), (6, 6), (7, 8), (11, 3)])
def test_the_parts_of_the_last_map_are_those_of_adaptive_pooling(height, width):
    """In training it is torch's own; afterwards the same numbers, in operations that ONNX has."""
    pool = backbone("resnet9_aligned", width=8).body.pool
    maps = torch.randn(2, 5, height, width)
    expected = torch.nn.AdaptiveMaxPool2d(3)(maps)
    assert torch.equal(pool.train()(maps), expected) and torch.equal(pool.eval()(maps), expected)


def test_the_network_for_aligned_faces_tells_places_apart():
    """A bright spot in another corner: another embedding, where the greatest value over all positions hardly changes."""
    spots = torch.zeros(2, 3, 48, 48)
    spots[0, :, 8:14, 8:14] = spots[1, :, 32:38, 32:38] = 3.0  # 24 pixels apart: the same grid of every stride
    angles = {}
    for name in ("resnet9", "resnet9_aligned"):
        torch.manual_seed(0)
        with torch.inference_mode():
            one, other = backbone(name, width=8, stem="small").eval()(spots)
        angles[name] = torch.cosine_similarity(one, other, dim=0)
    assert angles["resnet9"] > 0.95 and angles["resnet9_aligned"] < 0.6


def test_airbench_has_the_published_layers():
    """By its authors' code: 24 kernels of 2x2 from patches, six convolutions of 3x3 without bias, norms without a scale."""
    widths = [(24, 64), (64, 64), (64, 256), (256, 256), (256, 256), (256, 256)]
    network = backbone("airbench")
    assert count(network) == 24 + sum(9 * before * after + after for before, after in widths)
    assert network.body.whitening.kernels.shape == (24, 3, 2, 2)
    # the authors count 1.97 million (arXiv 2404.00498, appendix), with their kernels of 2x2, scales of norms and classifier
    assert count(network) + 24 * 12 + 2 * 64 + 4 * 256 + 2560 == pytest.approx(1.97e6, abs=5e3)
    assert network.num_features == 256 and backbone("airbench", width=16).num_features == 64
    sides = []
    network.body.whitening.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    for group in network.body.groups:
        group.register_forward_hook(lambda module, inputs, output: sides.append(output.shape[-1]))
    network(images(2, size=32))
    assert sides == [31, 15, 7, 3]
    with pytest.raises(BadParameterError, match="at least 9x9"):
        network(images(2, size=8))


def test_airbench_against_its_layers_one_by_one():
    """Training mode: every norm by the batch's own moments."""
    network = backbone("airbench", width=8)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.endswith("bias"):
                value.normal_()

    def norm(x, layer):
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        return (x - mean) / variance.sqrt() + layer.bias[:, None, None]

    def gelu(x):
        return x * 0.5 * (1 + torch.erf(x / 2**0.5))

    x = given = images(4, size=12)
    body = network.body
    x = gelu(nn.functional.conv2d(x, body.whitening.kernels) + body.whitening.bias[:, None, None])
    for group in body.groups:
        x = nn.functional.conv2d(x, group.first.weight, padding=1)
        x = gelu(norm(nn.functional.max_pool2d(x, 2), group.first_norm))
        x = gelu(norm(nn.functional.conv2d(x, group.second.weight, padding=1), group.second_norm))
    torch.testing.assert_close(network(given), x.amax((2, 3)), rtol=1e-4, atol=1e-4)


def test_the_convolutions_of_airbench_begin_by_passing_their_input_on():
    """As many outputs as there are inputs; of the first layer of all, whose outputs are fewer, as many as there are."""
    body = backbone("airbench", width=8).body
    for convolution, passed in ((body.groups[0].first, 8), (body.groups[1].first, 8), (body.groups[2].second, 32)):
        x = images(1, convolution.in_channels, 6)
        torch.testing.assert_close(convolution(x)[:, :passed], x[:, :passed])


def test_the_whitening_layer_against_principal_components_of_the_patches():
    photographs = images(40, size=10).cumsum(-1).to(memory_format=torch.channels_last)  # neighbours are alike
    layer = backbone("airbench", width=8).body.whitening
    layer.fit(photographs)
    patches = np.lib.stride_tricks.sliding_window_view(photographs.numpy(), (2, 2), axis=(2, 3))
    patches = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 12).astype(np.float64)
    left, singular, directions = np.linalg.svd(patches, full_matrices=False)
    moments = singular**2 / len(patches)
    expected = directions / np.sqrt(moments + 5e-4)[:, None]
    found = layer.kernels.flatten(1).numpy()[:12][::-1]  # least moment first
    signs = np.sign((found * expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found * signs, expected, rtol=2e-2, atol=2e-3)
    torch.testing.assert_close(layer.kernels[12:], -layer.kernels[:12])
    out = layer(photographs).detach().transpose(0, 1).flatten(1)[:12].double()
    second = out @ out.T / out.shape[1]
    torch.testing.assert_close(
        second, torch.diag(torch.from_numpy(moments[::-1] / (moments[::-1] + 5e-4))), atol=1e-3, rtol=0
    )
    with pytest.raises(BadParameterError, match="Give .N, 3, H, W."):
        layer.fit(images(4, 1, 10))


def test_the_laptops_resnet10_by_formula():
    """3x3 stem of 16 channels; four blocks of two 3x3 convolutions; a 1x1 shortcut in the last three; batch norms."""
    network = backbone("resnet10", 1)
    widths = (16, 32, 64, 128)
    expected = 9 * 16 + 2 * 16 + 2 * (9 * 16 * 16 + 2 * 16)
    for before, after in zip(widths[:-1], widths[1:], strict=True):
        expected += 9 * before * after + 9 * after * after + before * after + 3 * 2 * after
    assert (count(network), network.num_features) == (expected, 128)


@pytest.mark.parametrize("name", TORCHVISION)
def test_resnets_give_torchvisions_output_for_its_weights(name, tmp_path):
    theirs = torchvision.models.get_model(name, weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    ours = backbone(name, weights=tmp_path / "weights.pt").eval()
    theirs.fc = nn.Identity()
    pixels = images(size=48).double()
    with torch.inference_mode():
        torch.testing.assert_close(ours.double()(pixels), theirs.double()(pixels), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "configuration"), [("vgg11_bn", "A"), ("vgg16", "D")])
def test_vggs_give_the_mean_of_torchvisions_convolutions(name, configuration):
    ours = backbone(name).eval()
    theirs = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs[configuration], name.endswith("bn"))
    theirs.load_state_dict({key.removeprefix("features."): value for key, value in ours.body.state_dict().items()})
    with torch.inference_mode():
        expected = theirs.eval()(images(size=96)).mean(dim=(2, 3))
        torch.testing.assert_close(ours(images(size=96)), expected, rtol=1e-4, atol=1e-5)


def test_resnet10t_has_timms_names_and_shortcuts():
    """The key names that timm's weights of ResNet-10-T have, and its average pooling before the shortcut's projection."""
    body = backbone("resnet10t").body
    stem = {key: tuple(value.shape) for key, value in body.conv1.state_dict().items() if value.ndim == 4}
    assert stem == {"0.weight": (24, 3, 3, 3), "3.weight": (32, 24, 3, 3), "6.weight": (64, 32, 3, 3)}
    assert body.layer1[0].downsample is None
    pool, projection, norm = body.layer2[0].downsample
    assert (pool.kernel_size, pool.stride, pool.ceil_mode, pool.count_include_pad) == (2, 2, True, False)
    assert projection.weight.shape == (128, 64, 1, 1) and projection.stride == (1, 1) and norm.num_features == 128


@pytest.mark.parametrize("name", ["resnet10", "resnet10t", "resnet18"])
def test_stems_reduce_four_two_and_one_times(name):
    sides = {}
    for stem in STEMS:
        body = backbone(name, width=8, stem=stem).body
        body.layer1.register_forward_hook(lambda module, inputs, out, stem=stem: sides.update({stem: out.shape[2]}))
        body(images(size=64))
    assert sides == {"imagenet": 16, "small": 32, "cifar": 64}


def test_convolutions_are_channels_last_with_weights_from_a_file_too(tmp_path):
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "weights.pt")
    network = backbone("resnet18", weights=tmp_path / "weights.pt")
    kernels = [value for value in network.parameters() if value.ndim == 4]
    assert len(kernels) == 20
    assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def smallest(name):
    return {"inception_resnet_v1": 75}.get(name, 32)


@pytest.mark.parametrize("name", BACKBONES)
@settings(max_examples=3, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(0, 64),
    width=st.integers(0, 64),
    scale=st.sampled_from([8, 24]),
)
def test_any_size_gives_one_embedding_each(name, channels, height, width, scale):
    network = backbone(name, channels, width=scale).eval()
    sides = (smallest(name) + height, smallest(name) + width)
    with torch.inference_mode():
        out = network(torch.zeros(2, channels, *sides))
    assert out.shape == (2, network.num_features) and torch.isfinite(out).all()
    assert network.num_features == backbone_features(name) * scale // 64


def backbone_features(name):
    return {"resnet50": 2048, "resnet101": 2048, "resnet9_aligned": 9 * 512, "airbench": 256}.get(name, 512)


@pytest.mark.parametrize(
    ("block", "branches", "scale", "last"),
    [(block35, 3, 0.17, False), (block17, 2, 0.10, False), (block8, 2, 0.20, False), (block8, 2, 1.0, True)],
)
def test_inception_blocks_by_the_papers_figures(block, branches, scale, last):
    module = (block(16, 4, last=True) if last else block(16, 4)).eval()
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 16, 9, 9)).astype(np.float32))
    weight, bias = module.conv2d.weight[:, :, 0, 0], module.conv2d.bias[:, None, None]
    expected = x + scale * bias
    for number in range(branches):  # the 1x1 convolution of what lies side by side is a sum over the branches
        own = weight[:, 4 * number : 4 * number + 4]
        expected = expected + scale * torch.einsum("oc,nchw->nohw", own, getattr(module, f"branch{number}")(x))
    expected = expected if last else expected.clamp_min(0)
    torch.testing.assert_close(module(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("stem", "least"), [("imagenet", 75), ("small", 39), ("cifar", 21)])
def test_inception_takes_photographs_from_its_smallest_on(stem, least):
    network = backbone("inception_resnet_v1", width=8, stem=stem).eval()
    assert network(torch.zeros(1, 3, least, least)).shape == (1, 64)
    with pytest.raises(RuntimeError):  # the very network, without our check
        network.body(torch.zeros(1, 3, least - 1, least - 1))
    with pytest.raises(BadParameterError, match=f"at least {least}x{least}"):
        network(torch.zeros(1, 3, least, least - 1))


@pytest.mark.parametrize("name", BACKBONES)
def test_gradients_reach_every_parameter(name):
    network = backbone(name, width=8)
    torch.manual_seed(0)
    network(images(4, size=80)).square().sum().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent


@pytest.mark.parametrize("name", BACKBONES)
def test_the_layers_are_in_the_order_of_the_forward_pass(name):
    network = backbone(name, width=8).eval()
    order = []
    for layer in parameter_layers(network):
        layer.register_forward_hook(lambda module, inputs, output: order.append(module))
    network(torch.zeros(1, 3, 80, 80))
    assert [id(layer) for layer in order] == [id(layer) for layer in parameter_layers(network)]


@pytest.mark.parametrize("frozen", [1, 7, 24])
def test_frozen_layers_do_not_move_and_the_others_do(frozen):
    network = freeze(backbone("resnet10", 1), frozen)
    model = nn.Sequential(network, mlp_head(network.num_features, (3,)))
    before = copy.deepcopy(network.state_dict())
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    nn.functional.cross_entropy(model(images(4, 1, 32)), torch.tensor([0, 1, 2, 0])).backward()
    optimiser.step()
    kept = {id(layer) for layer in parameter_layers(network)[:frozen]}
    names = {name for name, module in network.named_modules() if id(module) in kept}
    assert len(names) == frozen
    for key, value in network.state_dict().items():
        same = torch.equal(value, before[key])
        assert same == (key.rpartition(".")[0] in names), key  # weights, and the statistics of batch norms


def test_freezing_is_undone_and_survives_copies_and_modes():
    network = freeze(backbone("resnet10", 1), 5)
    clone = copy.deepcopy(network)
    clone.eval()
    clone.train()
    norms = [layer for layer in parameter_layers(clone) if isinstance(layer, nn.BatchNorm2d)]
    assert [norm.training for norm in norms[:3]] == [False, False, True]
    freeze(clone, 0).train()
    assert all(module.training for module in clone.modules())
    assert all(parameter.requires_grad for parameter in clone.parameters())
    assert not network.body.conv1.weight.requires_grad


def test_where_all_layers_are_frozen_nothing_is_drawn_between_them():
    network = backbone("inception_resnet_v1", 1)
    photographs = images(2, 1, 80)
    assert not torch.equal(*(network.train()(photographs) for _ in range(2)))
    freeze(network, len(parameter_layers(network))).train()
    assert torch.equal(*(network(photographs) for _ in range(2)))
    assert all(module.training for module in freeze(network, 0).train().modules())


@pytest.mark.parametrize("layers", [-1, 25])
def test_more_layers_than_there_are_cannot_be_frozen(layers):
    with pytest.raises(BadParameterError, match="from 0 to 24"):
        freeze(backbone("resnet10", 1), layers)


def test_unknown_names_and_settings_list_what_there_is():
    with pytest.raises(BadParameterError, match="'resnet19'.*resnet10, .*inception_resnet_v1"):
        backbone("resnet19")
    with pytest.raises(BadParameterError, match="no stem 'small'.*imagenet"):
        backbone("vgg16", stem="small")
    with pytest.raises(BadParameterError, match="width 12"):
        backbone("resnet18", width=12)
    with pytest.raises(BadParameterError, match="3x64x64.*1 channels"):
        backbone("resnet10", 1)(images())


@pytest.mark.parametrize("wrap", ["backbone", "method", "checkpoint", "parallel"])
def test_weights_come_back_from_a_file(wrap, tmp_path):
    network = backbone("resnet10", 1)
    nn.init.uniform_(network.body.bn1.running_mean)
    method = nn.ModuleDict({"backbone": network, "head": mlp_head(128, (8,))})
    saved = {
        "backbone": network.state_dict(),
        "method": method.state_dict(),
        "checkpoint": {"epoch": 3, "model": method.state_dict()},
        "parallel": {"state_dict": {f"module.{key}": value for key, value in method.state_dict().items()}},
    }[wrap]
    torch.save(saved, tmp_path / "weights.pt")
    found = backbone("resnet10", 1, weights=tmp_path / "weights.pt")
    for key, value in network.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key


def test_colour_weights_on_grey_are_as_grey_in_three_channels(tmp_path):
    colour = backbone("resnet10", 3).eval()
    torch.save(colour.state_dict(), tmp_path / "weights.pt")
    grey = backbone("resnet10", 1, weights=tmp_path / "weights.pt").eval()
    pixels = images(channels=1)
    with torch.inference_mode():
        torch.testing.assert_close(grey(pixels), colour(pixels.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_weights_of_another_network_are_named_and_nothing_is_loaded(tmp_path):
    torch.save(backbone("resnet18", width=16).state_dict(), tmp_path / "weights.pt")
    network = backbone("resnet10")
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(BadParameterError, match=r"unknown \(layer1.1.conv1.weight.*another shape \(conv1.weight"):
        load_weights(network, tmp_path / "weights.pt")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    state = before.copy()
    del state["body.layer4.0.bn2.running_var"]
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(BadParameterError, match=r"1 missing \(layer4.0.bn2.running_var\)"):
        load_weights(network, tmp_path / "weights.pt")


class Malicious:
    def __reduce__(self):
        return (pytest.fail, ("the file's code was run",))


@pytest.mark.parametrize("content", ["empty", "text", "truncated", "code", "list", "pickle"])
def test_a_file_that_is_not_of_weights_is_named_in_one_line(content, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(backbone("resnet10").state_dict(), path)
    whole = path.read_bytes()
    if content in ("code", "list"):
        torch.save({"weight": Malicious()} if content == "code" else [1, 2], path)
    else:
        broken = {"empty": b"", "text": b"<html>404</html>", "truncated": whole[: len(whole) // 2]}
        path.write_bytes(broken.get(content) if content in broken else pickle.dumps({"weight": 1}, protocol=2))
    with pytest.raises(BadParameterError, match="weights.pt") as caught:
        backbone("resnet10", weights=path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(DataMissingError, match="'nowhere.pt'.*vicreg"):
        backbone("resnet10", weights="nowhere.pt")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


def test_published_weights_without_a_network_say_what_to_do(hub, monkeypatch):
    def offline(*args, **kwargs):
        raise URLError("Name or service not known")

    monkeypatch.setattr("torch.hub.urlopen", offline)
    with pytest.raises(DataMissingError, match="vicreg.*not known.*give its path") as caught:
        backbone("resnet50", weights="vicreg")
    assert "\n" not in str(caught.value) and str(hub) in str(caught.value)
    with pytest.raises(BadParameterError, match="no 'vicreg' weights for resnet18.*resnet50"):
        backbone("resnet18", weights="vicreg")


def test_published_weights_are_taken_from_the_cache(hub, monkeypatch):
    published = backbone("resnet18")
    monkeypatch.setitem(PUBLISHED_WEIGHTS["imagenet"], "resnet18", "https://nowhere/resnet18.pth")  # of no hash
    hub.mkdir()
    state = published.body.state_dict() | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(state, hub / PUBLISHED_WEIGHTS["imagenet"]["resnet18"].rsplit("/", 1)[1])
    found = backbone("resnet18", weights="imagenet")
    assert torch.equal(found.body.layer4[1].conv2.weight, published.body.layer4[1].conv2.weight)


def test_published_weights_that_were_damaged_later_are_refused(hub):
    """Another file under a name that says its hash: torch looks at it after a download alone."""
    hub.mkdir()
    path = hub / PUBLISHED_WEIGHTS["imagenet"]["resnet18"].rsplit("/", 1)[1]
    torch.save(backbone("resnet18").body.state_dict(), path)
    with pytest.raises(BadParameterError, match="damaged.*another hash.*Move it away"):
        backbone("resnet18", weights="imagenet")


def test_a_download_with_another_hash_is_refused(hub, monkeypatch, tmp_path):
    source = tmp_path / "other.pt"
    torch.save({}, source)
    monkeypatch.setitem(PUBLISHED_WEIGHTS["vicreg"], "resnet50", source.as_uri())
    with pytest.raises(DataMissingError, match="invalid hash"):
        backbone("resnet50", weights="vicreg")
    assert not list(hub.glob("*.pth"))


def test_published_names_belong_to_the_registry():
    assert {name for urls in PUBLISHED_WEIGHTS.values() for name in urls} <= set(BACKBONES)


def layout(head):
    return [
        (module.in_features, module.out_features, module.bias is not None) if isinstance(module, nn.Linear)
        else type(module).__name__
        for module in head
    ]  # fmt: skip


def test_heads_have_the_layers_of_the_papers():
    classifier = mlp_head(512, (256, 128, 44), dropout=0.5)
    assert layout(classifier) == [
        (512, 256, True), "ReLU", "Dropout", (256, 128, True), "ReLU", "Dropout", (128, 44, True),
    ]  # fmt: skip
    expander = mlp_head(2048, (64, 64, 64), norm=True, last_bias=False)
    assert layout(expander) == [
        (2048, 64, False), "BatchNorm1d", "ReLU", (64, 64, False), "BatchNorm1d", "ReLU", (64, 64, False),
    ]  # fmt: skip
    assert layout(mlp_head(8, (4,), last_norm=True)) == [(8, 4, False), "BatchNorm1d"]


@pytest.mark.parametrize("sizes", [(), (0,), (8, -1)])
def test_impossible_heads_are_refused(sizes):
    with pytest.raises(BadParameterError, match="A head"):
        mlp_head(8, sizes)


@pytest.mark.parametrize("side", [7, 12])
def test_a_projection_is_the_strided_convolution(side):
    """PyTorch's own, forward and backward, in float64 and without channels_last, where it can be trusted."""
    torch.manual_seed(0)
    ours = Projection(8, 16, stride=2).double()
    theirs = nn.Conv2d(8, 16, kernel_size=1, stride=2, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 8, side, side, dtype=torch.float64)
    both = []
    for module in (ours, theirs):
        module.zero_grad()
        given = x.clone().requires_grad_()
        out = module(given)
        out.square().sum().backward()
        both.append((out, given.grad, module.weight.grad))
    torch.testing.assert_close(*both, rtol=1e-12, atol=1e-12)


def test_the_gradient_below_a_projection_lies_in_memory_as_its_input():
    """Otherwise the layers before it convolve gradients of another layout, which costs a tenth of a step and more."""
    x = torch.randn(4, 8, 12, 12).to(memory_format=torch.channels_last).requires_grad_()
    below, kept = x * 1, []  # what a layer below gets; a leaf's gradient is copied to the layout of the leaf
    below.register_hook(lambda gradient: kept.append(gradient.is_contiguous(memory_format=torch.channels_last)))
    Projection(8, 16, stride=2).to(memory_format=torch.channels_last)(below).sum().backward()
    assert kept == [True]


ODD_BATCHES = """
import torch
from facelab.backbones import backbone
torch.set_num_threads(2)
network = backbone("resnet10", width=8)
x = torch.randn(33, 3, 48, 48).to(memory_format=torch.channels_last)
for _ in range(10):
    network(x).sum().backward()
"""


def test_a_narrow_network_learns_from_odd_batches():
    """In a process of its own: a strided ``nn.Conv2d`` as shortcut kills it, by SIGSEGV or SIGABRT."""
    done = subprocess.run([sys.executable, "-c", ODD_BATCHES], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
