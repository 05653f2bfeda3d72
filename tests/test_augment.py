"""Augmentation against torchvision, sample by sample, on the same parameters."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ks_2samp
from torchvision.transforms import InterpolationMode, RandomErasing, RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from facelab.augment import PLAIN, PRESETS, Augmentation, Parameters, as_batch, one_view, two_views
from facelab.augment.augmentation import CHUNK
from facelab.augment.parameters import draw_boxes, to_device
from facelab.errors import BadParameterError

TOLERANCE = 2e-5  # on the scale of 0 to 1; the 8-bit step is 4e-3
N = 5


def photographs(n=N, channels=3, height=40, width=40, seed=0):
    """Smooth noise with saturated and grey pixels, so that every case of hue and every clipping occurs."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (n, channels, height, width), dtype=np.uint8)
    images[:, :, :4], images[:, :, 4:8] = 0, 255
    images[:, :, 8:12] = images[:, :1, 8:12]
    return torch.from_numpy(images)


def floats(low, high, *shape, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, (N, *shape)).astype(np.float32))


def unnormalised(views):
    return views * 0.5 + 0.5


def apply(images, parameters, **fields):
    return unnormalised(Augmentation(**fields).apply(images, parameters))


def assert_close(ours, theirs, tolerance=TOLERANCE):
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < tolerance


def each(images, function, *parameters):
    """A function of torchvision on each photograph with its own parameter."""
    return torch.stack([function(image, *own) for image, *own in zip(images / 255, *parameters, strict=True)])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_jitter_is_torchvisions(name, channels):
    images = photographs(channels=channels)
    factors = floats(-0.5, 0.5) if name == "hue" else floats(0, 2)
    if name == "hue":
        factors[:2] = torch.tensor([-0.5, 0.5])
    theirs = each(images, getattr(tv, f"adjust_{name}"), factors.tolist())
    assert_close(apply(images, Parameters(**{name: factors})), theirs)


@settings(max_examples=50, deadline=None)
@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    turns=st.floats(-0.5, 0.5, width=32),
)
def test_hue_of_any_colour_is_torchvisions(colour, turns):
    image = torch.tensor(colour, dtype=torch.uint8).view(1, 3, 1, 1)
    assert_close(apply(image, Parameters(hue=torch.tensor([turns]))), tv.adjust_hue(image / 255, turns))


def test_grey_is_torchvisions_for_the_chosen_only():
    images = photographs()
    chosen = torch.tensor([True, False, True, False, False])
    views = apply(images, Parameters(gray=chosen))
    assert_close(views[chosen], tv.rgb_to_grayscale(images / 255, 3)[chosen])
    assert_close(views[~chosen], (images / 255)[~chosen])


def test_colour_steps_leave_grey_photographs_alone():
    images = photographs(channels=1)
    colour = Parameters(saturation=floats(0, 2), hue=floats(-0.5, 0.5), gray=torch.ones(N, dtype=torch.bool))
    assert torch.equal(PLAIN.apply(images, colour), PLAIN.preprocess(images))


@pytest.mark.parametrize(("height", "width", "share", "kernel"), [(40, 40, 0.1, 5), (30, 50, 0.5, 15), (9, 9, 0.1, 3)])
def test_blur_is_torchvisions(height, width, share, kernel):
    images = photographs(height=height, width=width)
    sigma = floats(0.1, 2.0)
    theirs = each(images, lambda image, s: tv.gaussian_blur(image, [kernel] * 2, [s] * 2), sigma.tolist())
    assert_close(apply(images, Parameters(blur=sigma), blur_kernel=share), theirs)


def test_blur_of_zero_changes_nothing():
    images = photographs()
    sigma = torch.tensor([0, 1, 0, 1, 0.0])
    changed = (apply(images, Parameters(blur=sigma)) - images / 255).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert changed.tolist() == [False, True, False, True, False]


BOXES = torch.tensor([[3, 5, 20, 30], [0, 0, 40, 50], [10, 2, 7, 9], [0, 11, 33, 16], [1, 1, 38, 38]])


@pytest.mark.parametrize("size", [24, 40, 57])
def test_crop_and_flip_are_torchvisions(size):
    images = photographs(height=40, width=50)
    flip = torch.tensor([True, False, True, False, True])

    def crop(image, box, mirrored):
        view = tv.resized_crop(image, *box, [size, size], antialias=False)
        return tv.horizontal_flip(view) if mirrored else view

    theirs = each(images, crop, BOXES.tolist(), flip.tolist())
    fractions = BOXES / torch.tensor([40, 50, 40, 50])
    assert_close(apply(images, Parameters(crop=fractions, flip=flip), size=size), theirs)


def test_what_goes_to_a_gpu_can_be_pinned(monkeypatch):
    """Pinning writes into a tensor of the same strides, and cannot where several numbers share a place: an expanded one."""
    pinned = []
    monkeypatch.setattr(
        torch.Tensor, "pin_memory", lambda values: pinned.append(values) or SimpleNamespace(to=lambda *_, **__: values)
    )
    expanded = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(5, 4)
    for values in (expanded, torch.arange(6).view(2, 3).T):
        assert torch.equal(to_device(values, torch.device("cuda")), values)
    assert all(values.is_contiguous() for values in pinned) and len(pinned) == 2


@pytest.mark.parametrize(("height", "width"), [(40, 40), (30, 50)])
def test_rotation_shift_and_scale_are_torchvisions(height, width):
    images = photographs(height=height, width=width)
    angle, scale, shift = floats(-180, 180), floats(0.5, 2, seed=2), floats(-0.3, 0.3, 2, seed=3)

    def affine(image, degrees, moved, magnified):
        pixels = [moved[0] * width, moved[1] * height]
        return tv.affine(image, degrees, pixels, magnified, [0, 0], InterpolationMode.BILINEAR)

    theirs = each(images, affine, angle.tolist(), shift.tolist(), scale.tolist())
    # positions are fractions of a pixel off in float32: their effect is largest where black meets white
    assert_close(apply(images, Parameters(angle=angle, translate=shift, scale=scale)), theirs, tolerance=1e-4)


def test_geometry_is_affine_then_crop_then_flip():
    """Quarter turns and whole-pixel crops interpolate nothing, so the order can be checked to the pixel."""
    images = photographs()
    angle = torch.tensor([90, 180, -90, 0, 90.0])
    boxes = torch.tensor([[3, 5, 20, 20]]).expand(N, 4)
    flip = torch.tensor([True, False, True, True, False])

    def steps(image, degrees, mirrored):
        view = tv.rotate(image, -degrees)[:, 3:23, 5:25]
        return view.flip(-1) if mirrored else view

    theirs = each(images, steps, angle.tolist(), flip.tolist())
    ours = apply(images, Parameters(angle=angle, crop=boxes / 40, flip=flip), size=20)
    assert_close(ours, theirs, tolerance=1e-4)


def test_all_steps_in_the_stated_order_over_several_pieces():
    n = CHUNK + 6
    images = photographs(n, height=16, width=16)
    settings = replace(PRESETS["moco_v2"], mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), erase_p=0.5)
    drawn = settings.draw(n, np.random.default_rng(3))
    boxes = torch.from_numpy(np.random.default_rng(4).integers(0, 5, (n, 4))) + torch.tensor([0, 0, 8, 8])
    drawn = replace(drawn, crop=boxes / 16, noise=None)
    views = settings.apply(images, drawn)
    for row in range(n):
        view = tv.resized_crop(images[row] / 255, *boxes[row].tolist(), [16, 16], antialias=False)
        view = tv.horizontal_flip(view) if drawn.flip[row] else view
        for name in ("brightness", "contrast", "saturation", "hue"):
            view = getattr(tv, f"adjust_{name}")(view, float(getattr(drawn, name)[row]))
        view = tv.rgb_to_grayscale(view, 3) if drawn.gray[row] else view
        view = tv.gaussian_blur(view, [3, 3], [float(drawn.blur[row])] * 2) if drawn.blur[row] else view
        view = tv.normalize(view, list(settings.mean), list(settings.std))
        top, left, height, width = (drawn.erase[row, 0] * 16).tolist()
        bottom, right = round(top + height), round(left + width)
        view[:, round(top) : bottom, round(left) : right] = 0
        # a hue next to a tie of two channels may take either side: rounding, hence a looser bound
        assert_close(views[row], view, tolerance=2e-3)


def test_each_photograph_is_treated_on_its_own():
    images = photographs(height=20, width=20)
    settings = replace(PRESETS["simclr"], degrees=20, erase_p=0.5)
    drawn = settings.draw(N, np.random.default_rng(0))
    together = settings.apply(images, drawn)
    for row in range(N):
        own = slice(row, row + 1)
        assert_close(settings.apply(images[own], drawn.subset(own)), together[own])


def test_holes_are_where_the_boxes_are():
    images = photographs(2, height=10, width=20)
    boxes = torch.tensor([[[0.1, 0.2, 0.5, 0.25], [0.8, 0.9, 0.2, 0.1]], [[0, 0, 0, 0], [0, 0, 1, 1]]])
    expected = PLAIN.preprocess(images)
    expected[0, :, 1:6, 4:9] = 0
    expected[0, :, 8:10, 18:20] = 0
    expected[1] = 0
    assert torch.equal(PLAIN.apply(images, Parameters(erase=boxes)), expected)


def test_noise_has_the_drawn_deviation_and_seed():
    images = torch.full((4, 1, 100, 100), 128, dtype=torch.uint8)
    sigma = torch.tensor([0, 0.01, 0.05, 0.1])
    noisy = apply(images, Parameters(noise=sigma, noise_seed=5)) - 128 / 255
    # the standard deviation of 10000 normal numbers is within 5 % of sigma by seven of its standard errors
    assert torch.allclose(noisy.std(dim=(1, 2, 3)), sigma, rtol=0.05, atol=1e-7)
    assert torch.equal(noisy, apply(images, Parameters(noise=sigma, noise_seed=5)) - 128 / 255)
    assert not torch.equal(noisy, apply(images, Parameters(noise=sigma, noise_seed=6)) - 128 / 255)
    white = apply(torch.full_like(images, 255), Parameters(noise=sigma))
    assert white.max() == 1 and white.min() < 1


def test_crops_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    canvas = torch.zeros(1, 1000, 1000)  # large, so that its rounding to whole pixels does not matter
    scale, ratio = (0.08, 1.0), (3 / 4, 4 / 3)
    theirs = np.array([RandomResizedCrop.get_params(canvas, list(scale), list(ratio)) for _ in range(3000)]) / 1000
    ours = draw_boxes(3000, scale, ratio, np.random.default_rng(0), whole=True)
    for column in range(4):
        assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 0.01
    assert ks_2samp(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]).pvalue > 0.01


def test_holes_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    canvas = torch.zeros(1, 1000, 1000)
    scale, ratio = (0.02, 0.33), (0.3, 3.3)
    drawn = [RandomErasing.get_params(canvas, scale, ratio, [0.0])[:4] for _ in range(3000)]
    ours = draw_boxes(3000, scale, ratio, np.random.default_rng(0), whole=False)
    for column in range(4):
        assert ks_2samp(ours[:, column], np.array(drawn)[:, column] / 1000).pvalue > 0.01


def test_a_crop_that_never_fits_is_the_whole_photograph_and_a_hole_is_none():
    generator = np.random.default_rng(0)
    assert (draw_boxes(3, (1, 1), (2, 2), generator, whole=True) == [0, 0, 1, 1]).all()
    assert (draw_boxes(3, (1, 1), (2, 2), generator, whole=False)[:, 2:] == 0).all()


def test_steps_happen_as_often_as_asked_and_within_their_ranges():
    settings = Augmentation(
        flip_p=0.5, degrees=20, translate=0.1, scale=(0.8, 1.1), brightness=0.4, contrast=1.5, saturation=0.2, hue=0.1,
        jitter_p=0.8, grey_p=0.2, blur_p=0.3, blur_sigma=(0.5, 1.5), noise=0.05, erase_p=0.25, erase_holes=3,
    )  # fmt: skip
    n = 4000
    drawn = settings.draw(n, np.random.default_rng(0))
    happened = {
        "flip_p": drawn.flip, "grey_p": drawn.gray, "blur_p": drawn.blur > 0, "jitter_p": drawn.brightness != 1,
        "erase_p": drawn.erase[:, 0, 2] > 0,
    }  # fmt: skip
    for name, which in happened.items():
        assert binomtest(int(which.sum()), n, getattr(settings, name)).pvalue > 0.001, name
    jittered = drawn.brightness != 1
    ranges = {
        "angle": (drawn.angle, -20, 20), "translate": (drawn.translate, -0.1, 0.1), "scale": (drawn.scale, 0.8, 1.1),
        "brightness": (drawn.brightness[jittered], 0.6, 1.4), "contrast": (drawn.contrast[jittered], 0, 2.5),
        "saturation": (drawn.saturation[jittered], 0.8, 1.2), "hue": (drawn.hue[jittered], -0.1, 0.1),
        "blur": (drawn.blur[drawn.blur > 0], 0.5, 1.5), "noise": (drawn.noise, 0, 0.05),
    }  # fmt: skip
    for name, (values, low, high) in ranges.items():
        margin = 0.01 * (high - low)
        assert low - 1e-6 <= values.min() < low + margin and high - margin < values.max() <= high + 1e-6, name
    assert all((getattr(drawn, name)[~jittered] == 1).all() for name in ("contrast", "saturation"))
    assert drawn.erase.shape == (n, 3, 4) and len(torch.unique(drawn.erase[happened["erase_p"]][0, :, 0])) == 3


def test_parameters_are_the_same_on_every_machine():
    drawn = PRESETS["moco_v2"].draw(2, np.random.default_rng(2026))
    expected = {
        "crop": [0.29130611, 0.12861766],
        "brightness": [1.18499255, 1.03878641],
        "hue": [-0.00600582, 0.03512784],
        "blur": [0.0, 1.60865903],
    }
    found = {name: getattr(drawn, name).flatten()[:2].tolist() for name in ("crop", "brightness", "hue", "blur")}
    assert found == {name: pytest.approx(values, rel=1e-6) for name, values in expected.items()}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_normalised_channels_last_and_seeded(name, channels):
    images = photographs(channels=channels, height=32, width=32)
    before = images.clone()
    first, second = two_views(images, PRESETS[name], np.random.default_rng(0))
    again, _ = two_views(images, PRESETS[name], np.random.default_rng(0))
    for view in (first, second):
        assert view.shape == images.shape and view.dtype == torch.float32
        assert view.is_contiguous(memory_format=torch.channels_last)
        assert view.min() >= -1 - 1e-5 and view.max() <= 1 + 1e-5
    assert torch.equal(first, again)
    assert torch.equal(images, before)
    assert torch.equal(first, second) == (name == "plain")


def test_one_view_is_the_draw_applied():
    images, settings = photographs(), PRESETS["supcon"]
    expected = settings.apply(images, settings.draw(N, np.random.default_rng(0)))
    assert torch.equal(one_view(images, settings, np.random.default_rng(0)), expected)


def test_both_views_show_the_photograph_of_their_row():
    images = photographs(64, height=16, width=16)
    first, second = two_views(images, Augmentation(flip_p=0.5), np.random.default_rng(0))
    plain = PLAIN.preprocess(images)
    for view in (first, second):
        as_is = (view - plain).abs().amax(dim=(1, 2, 3)) < 1e-4
        mirrored = (view - plain.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-4
        assert (as_is ^ mirrored).all() and as_is.any() and mirrored.any()


def test_numpy_and_torch_batches_give_the_same_views():
    images = photographs()
    array = images.permute(0, 2, 3, 1).numpy()
    settings = PRESETS["simclr"]
    drawn = settings.draw(N, np.random.default_rng(0))
    assert torch.equal(settings.apply(array, drawn), settings.apply(images, drawn))


def test_plain_is_torchvisions_resize_and_normalise():
    images = photographs(height=50, width=50)
    settings = replace(PRESETS["simclr"], size=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    theirs = tv.normalize(tv.resize(images / 255, [32, 32], antialias=True), list(settings.mean), list(settings.std))
    assert_close(settings.preprocess(images), theirs)


@pytest.mark.parametrize(
    "fields",
    [{"flip_p": 1.1}, {"hue": 0.6}, {"brightness": -1}, {"crop_scale": (0.5, 0.2)}, {"crop_scale": (0.5, 2)}, {"size": 0},
     {"blur_sigma": (0, 1)}, {"erase_ratio": (1,)}, {"noise": float("nan")}, {"erase_holes": 0}, {"std": (0.0,)}],
)  # fmt: skip
def test_impossible_settings_are_named(fields):
    with pytest.raises(BadParameterError, match=next(iter(fields))):
        Augmentation(**fields)


@pytest.mark.parametrize(
    "batch",
    [np.zeros((2, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 4), np.uint8),
     torch.zeros((2, 8, 8, 3), dtype=torch.uint8)],
)  # fmt: skip
def test_other_batches_are_refused(batch):
    with pytest.raises(BadParameterError, match="The batch is"):
        as_batch(batch)


def test_parameters_for_another_batch_are_refused():
    with pytest.raises(BadParameterError, match="for \\[4\\] photographs, the batch has 5"):
        PLAIN.apply(photographs(), Parameters(flip=torch.ones(4, dtype=torch.bool)))


def test_a_mean_for_other_channels_is_refused():
    with pytest.raises(BadParameterError, match="not for 1 channels"):
        Augmentation(mean=(0.485, 0.456, 0.406)).preprocess(photographs(channels=1))


def test_an_empty_batch_gives_empty_views():
    images = photographs(0)
    first, second = two_views(images, PRESETS["simclr"], np.random.default_rng(0))
    assert first.shape == second.shape == images.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_gives_the_same_views():
    images = photographs(height=32, width=32)
    settings = replace(PRESETS["simclr"], degrees=10, erase_p=0.5)
    drawn = settings.draw(N, np.random.default_rng(0))
    views = settings.apply(images.cuda(), drawn)
    assert views.is_cuda
    assert_close(views.cpu(), settings.apply(images, drawn), tolerance=2e-3)


def test_a_batch_that_must_not_be_written_to_is_copied_in_silence(recwarn):
    """As another process has it: PyTorch would warn that its tensor could change the file."""
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    assert np.shares_memory(as_batch(images).numpy(), images)
    images.flags.writeable = False
    batch = as_batch(images)
    assert batch.numpy().transpose(0, 2, 3, 1).tolist() == images.tolist()
    assert not np.shares_memory(batch.numpy(), images) and not recwarn.list
