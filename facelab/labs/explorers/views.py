"""Views explorer: each step of an augmentation by a slider, and at once six views of three faces, made by the real code."""

from __future__ import annotations

import numpy as np
from IPython.display import HTML, Image

from facelab.augment import Augmentation, as_batch
from facelab.errors import BadParameterError
from facelab.labs.explorers.augmentation_steps import FACTORS, STEPS, Step, scaled
from facelab.labs.explorers.page import frame, render, sheet
from facelab.plots import show_faces
from facelab.progress import is_interactive
from facelab.whole_numbers import check_seed

VIEWS = 6  #: of each face
_SIDE = 64  # of a view in the page
_STORED = 38  # of a view in the picture
_HEIGHT = 620  # of the page in the notebook


def explore_views(images: np.ndarray, recipe: Augmentation, seed: int = 0) -> HTML | Image:
    """Sliders for the steps of an augmentation where somebody watches (``facelab.progress.is_interactive``), else a picture.

    Each slider shows one step alone, in all views, and one shows the whole recipe, from none of it to twice as strong. A view
    keeps its random numbers as the strength changes. All are made here by ``Augmentation.apply``; the page only chooses.

    Args:
        images: uint8 (3, S, S, C), three faces, grey or RGB.
        recipe: the augmentation of the notebook; its strengths are marked.
        seed: of the random numbers.

    Raises:
        BadParameterError: not three such faces.
    """
    if as_batch(images).shape[0] != 3 or images.shape[1] != images.shape[2]:
        raise BadParameterError(f"The faces are {images.shape}.", "Give three square ones: uint8 (3, S, S, C).")
    check_seed(seed)
    steps = [step for step in STEPS if images.shape[3] == 3 or not step.color_only]
    if not is_interactive():
        return _picture(images, recipe, seed, steps)
    return frame(_page(images, recipe, seed, steps), "Views explorer", _HEIGHT)


def make_views(images: np.ndarray, augmentation: Augmentation, seed: int) -> np.ndarray:
    """Six views of each face as they look before the normalisation: uint8 (6 N, h, w, C), the views of a face together."""
    repeated = np.repeat(images, VIEWS, axis=0)
    views = augmentation.apply(repeated, augmentation.draw(len(repeated), np.random.default_rng(seed)))
    pixels = views.permute(0, 2, 3, 1).numpy() * np.array(augmentation.std) + np.array(augmentation.mean)
    return (255 * pixels).round().clip(0, 255).astype(np.uint8)


def _page(images: np.ndarray, recipe: Augmentation, seed: int, steps: list[Step]) -> str:
    """The document; its sheet holds the three faces, then for each strength of each step 18 views."""
    rows = [("all steps of the recipe", [f"{100 * factor:.0f} %" for factor in FACTORS], FACTORS.index(1))]
    augmentations = [scaled(recipe, factor) for factor in FACTORS]
    for step in steps:
        strengths, own = step.strengths_with(recipe), step.of(recipe)
        rows.append((step.name, [step.describe(strength) for strength in strengths], strengths.index(own)))
        augmentations += [step.alone(strength) for strength in strengths]
    pictures = np.concatenate([images, *(make_views(images, one, seed) for one in augmentations)])
    data = {
        "views": VIEWS,
        "steps": [{"name": name, "strengths": words, "recipe": own} for name, words, own in rows],
        "faces": sheet(pictures, _SIDE),
    }
    return render("views.html", data)


def _picture(images: np.ndarray, recipe: Augmentation, seed: int, steps: list[Step]) -> Image:
    """Three views of the first face by each step of the recipe, and by all of them together."""
    used = [step for step in steps if step.of(recipe) != step.strengths[0]]
    shown = [
        (f"{step.name.split(',')[0]} {step.describe(step.of(recipe))}", step.alone(step.of(recipe))) for step in used
    ]
    shown.append(("all together", recipe))
    views = np.concatenate([make_views(images[:1], augmentation, seed)[:3] for _, augmentation in shown])
    titles = [title for name, _ in shown for title in (name, "", "")]
    said = "Views of the first face: three by each step of the augmentation alone, then three by all of them together."
    return show_faces(views, columns=6, titles=titles, zoom=_STORED / views.shape[1], alt=said)
