"""The steps of an augmentation, each with the strengths that the views explorer offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from facelab.augment import PLAIN, Augmentation

SMALLEST_CROP = 0.05  #: share of the area; below it a view of a small photograph is a few pixels
FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  #: of all strengths of a recipe at once


@dataclass(frozen=True)
class Step:
    """One step, by itself.

    Attributes:
        name: as the page shows it.
        text: format of a strength.
        strengths: the first changes nothing.
        fields: the fields of ``Augmentation`` that a strength sets, such that every view is changed.
        of: the strength that an augmentation has.
        color_only: whether it does nothing to grey photographs.
    """

    name: str
    text: str
    strengths: tuple[float, ...]
    fields: Callable[[float], dict[str, object]]
    of: Callable[[Augmentation], float]
    color_only: bool = False

    def describe(self, strength: float) -> str:
        """A strength as the page shows it."""
        return "off" if strength == self.strengths[0] else self.text.format(strength).replace("%", " %")

    def alone(self, strength: float) -> Augmentation:
        """An augmentation of this step and nothing else."""
        return PLAIN if strength == self.strengths[0] else replace(PLAIN, **self.fields(strength))

    def strengths_with(self, recipe: Augmentation) -> list[float]:
        """The strengths and that of the recipe, each once, the one that changes nothing first."""
        off = self.strengths[0]
        return sorted({*self.strengths, self.of(recipe)}, key=lambda strength: abs(strength - off))


def _jitter(name: str, strengths: tuple[float, ...], color_only: bool = False) -> Step:
    text = "±{:.2f} turns" if name == "hue" else "±{:.0%}"
    return Step(name, text, strengths, lambda s: {name: s}, lambda a: getattr(a, name), color_only)


def _largest(values: tuple[float, float] | None) -> float:
    """How far a range of factors goes from 1."""
    return 0.0 if values is None else round(max(1 - values[0], values[1] - 1), 6)


STEPS = (
    Step("crop, smallest area", "{:.0%}", (1.0, 0.8, 0.6, 0.4, 0.2, 0.08), lambda s: {"crop_scale": (s, 1.0)},
         lambda a: a.crop_scale[0] if a.crop_scale else 1.0),
    Step("flip, probability", "{:.0%}", (0.0, 0.25, 0.5, 0.75, 1.0), lambda s: {"flip_p": s}, lambda a: a.flip_p),
    Step("rotation", "±{:.0f}°", (0.0, 3.0, 6.0, 12.0, 20.0, 30.0, 45.0), lambda s: {"degrees": s}, lambda a: a.degrees),
    Step("shift", "±{:.0%}", (0.0, 0.03, 0.06, 0.1, 0.2, 0.3), lambda s: {"translate": s}, lambda a: a.translate),
    Step("size", "±{:.0%}", (0.0, 0.04, 0.08, 0.15, 0.3, 0.5), lambda s: {"scale": (1 - s, 1 + s)},
         lambda a: _largest(a.scale)),
    _jitter("brightness", (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)),
    _jitter("contrast", (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)),
    _jitter("saturation", (0.0, 0.1, 0.2, 0.4, 0.6, 0.8), color_only=True),
    _jitter("hue", (0.0, 0.05, 0.1, 0.2, 0.3, 0.5), color_only=True),
    Step("grey, probability", "{:.0%}", (0.0, 0.2, 0.5, 1.0), lambda s: {"grey_p": s}, lambda a: a.grey_p, color_only=True),
    Step("blur, up to", "{:.1f} pixels", (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), lambda s: {"blur_p": 1.0, "blur_sigma": (s / 20, s)},
         lambda a: a.blur_sigma[1] if a.blur_p else 0.0),
    Step("noise, up to", "{:.0%}", (0.0, 0.05, 0.1, 0.2), lambda s: {"noise": s}, lambda a: a.noise),
    Step("hole, up to this area", "{:.0%}", (0.0, 0.1, 0.2, 0.33), lambda s: {"erase_p": 1.0, "erase_scale": (s / 16, s)},
         lambda a: a.erase_scale[1] if a.erase_p else 0.0),
)  # fmt: skip


def scaled(recipe: Augmentation, factor: float) -> Augmentation:
    """A recipe with every strength multiplied by a factor, 0 to 2, as far as it may go; 1 is the recipe itself."""
    if factor in (0, 1):
        return recipe if factor else PLAIN

    def times(value: float, most: float = np.inf) -> float:
        return min(factor * value, most)

    def about_one(values: tuple[float, float]) -> tuple[float, float]:
        return max(1 - factor * (1 - values[0]), 0.1), 1 + factor * (values[1] - 1)

    crop = recipe.crop_scale
    return replace(
        recipe,
        crop_scale=None if crop is None else (max(1 - factor * (1 - crop[0]), SMALLEST_CROP), crop[1]),
        scale=None if recipe.scale is None else about_one(recipe.scale),
        degrees=times(recipe.degrees, 180),
        hue=times(recipe.hue, 0.5),
        blur_sigma=tuple(times(value) for value in recipe.blur_sigma),
        erase_scale=tuple(times(value, 1) for value in recipe.erase_scale),
        **{
            name: times(getattr(recipe, name), 1)
            for name in ("flip_p", "grey_p", "blur_p", "erase_p", "translate", "noise")
        },
        **{name: times(getattr(recipe, name)) for name in ("brightness", "contrast", "saturation")},
    )
