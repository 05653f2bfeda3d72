"""The nuisances of one rendering, their ranges, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

SEED = 1756  #: of all draws; the number of GTAV photographs that the founding project had
RENDERINGS = 4  #: of each photograph
STRONG_TURN = 28.0  #: degrees; a turn beyond this is a strong one
NEAR_FRONTAL = {"turn_degrees": 10.0, "roll_degrees": 8.0, "shadow": 0.25}  #: largest magnitudes of a frontal rendering

#: models of each kind of occlusion; few of each, so that a method can find them instead of the people
MODELS = {
    "none": ("none",),
    "sunglasses": ("aviator", "rectangle", "round", "shield", "wayfarer"),
    "scarf": ("checked", "knit", "striped"),
    "hand": ("from-below", "over-mouth"),
}


@dataclass(frozen=True)
class Nuisance:
    """Everything that decides a rendering besides the photograph. The defaults change nothing.

    Attributes:
        turn_degrees: turn of the face's plane about its own upright axis; positive moves the image's right side away.
        roll_degrees: rotation in the image plane, positive clockwise.
        shift_x: move of the face's centre to the right, in sides of the square.
        shift_y: move of the face's centre downwards, in sides of the square.
        scale: size of the face, 1 as a detector would frame it.
        light_azimuth: degrees from the camera's axis, negative from the image's left.
        light_elevation: degrees above the horizon.
        light_strength: share of the directional light, 0 (even light) to 1.
        shadow: darkness of the cast shadow, 0 (none) to 1 (black).
        shadow_offset: distance of the shadow's edge from the nose, in eye distances; the shadow lies away from the light.
        shadow_softness: width of the shadow's edge, in eye distances.
        exposure: in stops; each doubles the light.
        contrast: slope about middle grey.
        occlusion: none, sunglasses, scarf or hand.
        occluder_model: which of ``MODELS[occlusion]``.
        occluder_tone: 0 dark to 1 light; of a hand, against the skin of the photograph.
        occluder_size: against the usual size.
        occluder_tilt: degrees against the head, positive clockwise; a hand turns five times as far.
        occluder_drop: how far it sits below its usual place, in distances of eyes and mouth.
        occluder_side: -1 where it is at or comes from the image's left, +1 right.
        blur_sigma: of a Gaussian, in 64ths of the square's side (pixels at the working size 64).
        noise_sigma: of the sensor, in grey levels of 255.
        noise_seed: of the sensor's noise and the occluder's texture.
    """

    turn_degrees: float = 0.0
    roll_degrees: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    scale: float = 1.0
    light_azimuth: float = 0.0
    light_elevation: float = 0.0
    light_strength: float = 0.0
    shadow: float = 0.0
    shadow_offset: float = 0.0
    shadow_softness: float = 0.5
    exposure: float = 0.0
    contrast: float = 1.0
    occlusion: str = "none"
    occluder_model: str = "none"
    occluder_tone: float = 0.5
    occluder_size: float = 1.0
    occluder_tilt: float = 0.0
    occluder_drop: float = 0.0
    occluder_side: int = 1
    blur_sigma: float = 0.0
    noise_sigma: float = 0.0
    noise_seed: int = 0


#: smallest and largest value that is drawn
RANGES: dict[str, tuple[float, float]] = {
    "turn_degrees": (-40.0, 40.0),
    "roll_degrees": (-14.0, 14.0),
    "shift_x": (-0.03, 0.03),
    "shift_y": (-0.03, 0.03),
    "scale": (0.92, 1.1),
    "light_azimuth": (-70.0, 70.0),
    "light_elevation": (-10.0, 55.0),
    "light_strength": (0.0, 0.65),
    "shadow": (0.0, 0.6),
    "shadow_offset": (-0.5, 0.6),
    "shadow_softness": (0.12, 0.6),
    "exposure": (-0.7, 0.5),
    "contrast": (0.75, 1.25),
    "occluder_tone": (0.0, 1.0),
    "occluder_size": (0.92, 1.12),
    "occluder_tilt": (-5.0, 5.0),
    "occluder_drop": (-0.05, 0.08),
    "blur_sigma": (0.0, 1.3),
    "noise_sigma": (1.0, 8.0),
}

#: what the four renderings of a photograph are, in an order that is drawn: near frontal without occlusion; free; occluded;
#: and one of these three, by chance
_LAST, _CHANCE = ("strong turn", "occluded", "free"), (0.4, 0.35, 0.25)


def draw(photos: Sequence[str]) -> pd.DataFrame:
    """Parameters of all renderings of some photographs.

    Args:
        photos: names, in the order that numbers them.

    Returns:
        ``RENDERINGS`` rows a photograph, with ``photo``, ``rendering`` and one column for each attribute of ``Nuisance``;
        numbers are rounded to three decimals, so that the table is exact. The same on every machine.
    """
    rows = []
    for number, photo in enumerate(photos):
        order = np.random.default_rng([SEED, number])
        last = _LAST[int(np.searchsorted(np.cumsum(_CHANCE)[:-1], order.random(), side="right"))]
        four = ("near frontal", "free", "occluded", last)
        conditions = [four[k] for k in np.argsort(order.random(len(four)))]  # of NumPy, only random() is drawn from
        for rendering, condition in enumerate(conditions):
            rng = np.random.default_rng([SEED, number, rendering])
            rows.append({"photo": photo, "rendering": rendering, **asdict(_draw_one(rng, condition))})
    return pd.DataFrame(rows)


def _draw_one(rng: np.random.Generator, condition: str) -> Nuisance:
    """One rendering; every generator gives the same number of draws, whatever the condition."""
    value = {name: low + (high - low) * rng.random() for name, (low, high) in RANGES.items()}
    unit, kind, model, shaded, seed, side = (rng.random() for _ in range(6))
    largest = {"near frontal": NEAR_FRONTAL["turn_degrees"], "strong turn": RANGES["turn_degrees"][1]}
    least = STRONG_TURN if condition == "strong turn" else 0.0
    sign = 1.0 if value["turn_degrees"] > 0 else -1.0
    value["turn_degrees"] = sign * (least + (largest.get(condition, STRONG_TURN) - least) * unit)
    if shaded < 0.5:  # half of the renderings have no cast shadow
        value["shadow"] = 0.0
    if condition == "near frontal":
        value["roll_degrees"] *= NEAR_FRONTAL["roll_degrees"] / RANGES["roll_degrees"][1]
        value["shadow"] *= NEAR_FRONTAL["shadow"] / RANGES["shadow"][1]
    occlusion = ("sunglasses", "scarf", "hand")[min(int(kind * 2.5), 2)] if condition == "occluded" else "none"
    models = MODELS[occlusion]
    return Nuisance(
        **{name: round(number, 3) for name, number in value.items()},
        occlusion=occlusion,
        occluder_model=models[int(model * len(models))],
        occluder_side=1 if side < 0.5 else -1,
        noise_seed=int(seed * 2**31),
    )
