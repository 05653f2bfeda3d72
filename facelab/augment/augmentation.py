"""What is set for all photographs: which steps, how strong and how often; and the pass that applies them to a batch.

What is drawn from it for each photograph is ``parameters.Parameters``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from facelab.augment import color, filters, geometry
from facelab.augment.parameters import Parameters, draw_boxes, to_device
from facelab.errors import BadParameterError

Range = tuple[float, float]

CHUNK = 64  #: photographs at a time on a CPU, so that what lies between two steps stays in its cache: a third faster


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a photograph on its way to the network. Everything is off until it is asked for.

    The steps, in this order: rotation, scale and shift; random resized crop; flip; jitter of brightness, contrast,
    saturation and hue; grey; blur; noise; normalisation; holes.

    Attributes:
        size: side of the view in pixels; None keeps the size of the photographs.
        crop_scale: smallest and largest share of the area that is cropped, as RandomResizedCrop; None: no crop.
        crop_ratio: smallest and largest width : height of the crop, for square photographs.
        flip_p: probability of a horizontal flip.
        degrees: rotation by up to so many degrees either way.
        translate: shift by up to this share of the side in any direction.
        scale: smallest and largest magnification.
        brightness: strength of the jitter: the factor is uniform in [max(0, 1 - b), 1 + b]; also contrast, saturation.
        contrast: see brightness.
        saturation: see brightness.
        hue: the shift is uniform in [-hue, hue] turns, at most 0.5.
        jitter_p: probability that a photograph's colours are jittered at all.
        grey_p: probability of losing the colour.
        blur_p: probability of a Gaussian blur.
        blur_sigma: smallest and largest standard deviation in pixels.
        blur_kernel: size of its kernel as a share of the side, made odd and at least 3 (SimCLR: a tenth).
        noise: standard deviation of the noise is uniform in [0, noise], on the scale of 0 to 1.
        erase_p: probability of holes (one: random erasing or cutout; several: coarse dropout).
        erase_scale: smallest and largest share of the area of one hole.
        erase_ratio: smallest and largest width : height of a hole.
        erase_holes: how many.
        mean: subtracted from pixels of 0 to 1: one value, or one a channel.
        std: divided by. The defaults bring every view to [-1, 1]; ImageNet's for weights that were trained so.

    Raises:
        BadParameterError: a value out of its range.
    """

    size: int | None = None
    crop_scale: Range | None = None
    crop_ratio: Range = (3 / 4, 4 / 3)
    flip_p: float = 0.0
    degrees: float = 0.0
    translate: float = 0.0
    scale: Range | None = None
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    jitter_p: float = 1.0
    grey_p: float = 0.0
    blur_p: float = 0.0
    blur_sigma: Range = (0.1, 2.0)
    blur_kernel: float = 0.1
    noise: float = 0.0
    erase_p: float = 0.0
    erase_scale: Range = (0.02, 0.33)
    erase_ratio: Range = (0.3, 3.3)
    erase_holes: int = 1
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        limits = {"flip_p": 1, "jitter_p": 1, "grey_p": 1, "blur_p": 1, "erase_p": 1, "hue": 0.5, "degrees": 180}
        limits |= dict.fromkeys(("translate", "blur_kernel", "noise"), 1)
        limits |= dict.fromkeys(("brightness", "contrast", "saturation"), np.inf)
        for name, largest in limits.items():
            if not 0 <= getattr(self, name) <= largest:
                raise BadParameterError(f"{name} is {getattr(self, name)!r}.", f"Give a number from 0 to {largest}.")
        ranges = {"crop_scale": 1, "crop_ratio": np.inf, "scale": np.inf, "blur_sigma": np.inf}
        ranges |= {"erase_scale": 1, "erase_ratio": np.inf}
        for name, largest in ranges.items():
            values = getattr(self, name)
            if values is not None and not (len(values) == 2 and 0 < values[0] <= values[1] <= largest):
                raise BadParameterError(
                    f"{name} is {values!r}.", f"Give (low, high) with 0 < low <= high <= {largest}."
                )
        if self.size is not None and self.size < 1:
            raise BadParameterError(f"size is {self.size!r}.", "Give the side of the view in pixels, or None.")
        if min(self.std, default=0) <= 0:
            raise BadParameterError(f"std is {self.std!r}.", "Give values above 0.")
        if self.erase_holes < 1:
            raise BadParameterError(f"erase_holes is {self.erase_holes!r}.", "Give 1 or more; erase_p 0 turns it off.")

    def draw(self, n: int, generator: np.random.Generator) -> Parameters:
        """Parameters for ``n`` photographs, independent of each other; the same on every machine."""

        def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
            return _tensor(generator.uniform(low, high, (n, *shape)))

        def chosen(probability: float) -> np.ndarray:
            return generator.random(n) < probability

        drawn: dict[str, torch.Tensor | int] = {}
        if self.crop_scale is not None:
            drawn["crop"] = _tensor(draw_boxes(n, self.crop_scale, self.crop_ratio, generator, whole=True))
        if self.flip_p > 0:
            drawn["flip"] = torch.from_numpy(chosen(self.flip_p))
        if self.degrees > 0:
            drawn["angle"] = uniform(-self.degrees, self.degrees)
        if self.translate > 0:
            drawn["translate"] = uniform(-self.translate, self.translate, 2)
        if self.scale is not None:
            drawn["scale"] = uniform(*self.scale)
        drawn |= self._draw_jitter(n, generator)
        if self.grey_p > 0:
            drawn["gray"] = torch.from_numpy(chosen(self.grey_p))
        if self.blur_p > 0:
            drawn["blur"] = uniform(*self.blur_sigma) * torch.from_numpy(chosen(self.blur_p))
        if self.noise > 0:
            drawn["noise"] = uniform(0, self.noise)
            drawn["noise_seed"] = int(generator.integers(2**63))
        if self.erase_p > 0:
            boxes = draw_boxes(n * self.erase_holes, self.erase_scale, self.erase_ratio, generator, whole=False)
            boxes = boxes.reshape(n, self.erase_holes, 4) * chosen(self.erase_p)[:, None, None]
            drawn["erase"] = _tensor(boxes)
        return Parameters(**drawn)

    def _draw_jitter(self, n: int, generator: np.random.Generator) -> dict[str, torch.Tensor]:
        """Factors of the colour jitter; all of them neutral for a photograph that is not chosen (RandomApply)."""
        drawn = {}
        chosen = generator.random(n) < self.jitter_p
        for name in ("brightness", "contrast", "saturation"):
            strength = getattr(self, name)
            if strength > 0:
                factor = generator.uniform(max(0.0, 1 - strength), 1 + strength, n)
                drawn[name] = _tensor(np.where(chosen, factor, 1.0))
        if self.hue > 0:
            drawn["hue"] = _tensor(generator.uniform(-self.hue, self.hue, n) * chosen)
        return drawn

    def apply(
        self, images: np.ndarray | torch.Tensor, parameters: Parameters, rows: torch.Tensor | None = None
    ) -> torch.Tensor:
        """One view of each photograph, with the given parameters.

        Args:
            images: uint8, NumPy (N, H, W, C) or torch (N, C, H, W), C 1 or 3; stays as it is.
            parameters: of these N photographs, or of a batch that they are a part of.
            rows: int64 (N,), on the CPU: which photographs of that batch these are. Their views are then those that they have
                among the whole batch: each process of a training makes its own. None: they are the batch.

        Returns:
            float32 (N, C, h, w), channels_last, normalised, on the device of ``images``.

        Raises:
            BadParameterError: not such images, or parameters for another number of them.
        """
        batch = as_batch(images)
        total = max(parameters.lengths(), default=len(batch))
        own = parameters if rows is None else parameters.subset(rows)
        if own.lengths() - {len(batch)}:
            raise BadParameterError(
                f"The parameters are for {sorted(own.lengths())} photographs, the batch has {len(batch)}.",
                "Draw parameters for this batch.",
            )
        n, channels, *size = batch.shape
        size = (self.size, self.size) if self.size else tuple(size)
        views = torch.empty((n, channels, *size), device=batch.device).to(memory_format=torch.channels_last)
        step = CHUNK if batch.device.type == "cpu" else max(total, 1)
        noise = _noise_parts((total, channels, *size), step, parameters, batch.device)
        if rows is not None and parameters.noise is not None:
            noise = iter(torch.cat(list(noise))[to_device(rows, batch.device)].split(step))
        for start in range(0, n, step):
            part = slice(start, start + step)
            self._apply(batch[part], own.subset(part), noise, views[part])
        return views

    def _apply(
        self, batch: torch.Tensor, parameters: Parameters, noise: Iterator[torch.Tensor], out: torch.Tensor
    ) -> None:
        view = batch.to(torch.float32).div_(255)
        size = tuple(out.shape[2:])
        if geometry.has_geometry(parameters) or size != tuple(view.shape[2:]):
            view = geometry.warp(view, parameters, size)
        view = color.jitter(view, parameters)
        if parameters.blur is not None:
            view = filters.blur(view, parameters.blur, self._kernel_size(size))
        if parameters.noise is not None:
            view = filters.add_noise(view, parameters.noise, next(noise))
        self._normalise(view, out)
        if parameters.erase is not None:
            filters.erase(out, parameters.erase)

    def preprocess(self, images: np.ndarray | torch.Tensor) -> torch.Tensor:
        """The photographs without any augmentation, for embedding: resized (smoothed) to ``size``, and normalised.

        Args:
            images: uint8, NumPy (N, H, W, C) or torch (N, C, H, W).

        Returns:
            float32 (N, C, h, w), channels_last, normalised as the views.
        """
        view = as_batch(images).to(torch.float32).div_(255)
        if self.size and view.shape[2:] != (self.size, self.size):
            view = F.interpolate(view, (self.size, self.size), mode="bilinear", antialias=True)
        return self._normalise(view, torch.empty_like(view, memory_format=torch.channels_last))

    def _kernel_size(self, size: tuple[int, int]) -> int:
        return max(3, int(self.blur_kernel * min(size)) // 2 * 2 + 1)

    def _normalise(self, view: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        if {len(self.mean), len(self.std)} - {1, view.shape[1]}:
            raise BadParameterError(
                f"mean {self.mean} and std {self.std} are not for {view.shape[1]} channels.",
                "Give one value, or one a channel.",
            )
        mean, std = (to_device(torch.tensor(v), view.device)[:, None, None] for v in (self.mean, self.std))
        return torch.sub(view, mean, out=out).div_(std)


def as_batch(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Photographs as one tensor: NumPy (N, H, W, C) or torch (N, C, H, W), uint8, to torch (N, C, H, W). Copied only where
    NumPy says that it must not be written to, as a mapped file.

    Raises:
        BadParameterError: another type or shape, or channels other than 1 or 3.
    """
    is_array = isinstance(images, np.ndarray)
    batch = torch.from_numpy(np.require(images, requirements=["C", "W"])) if is_array else images
    if batch.ndim == 4 and is_array:
        batch = batch.permute(0, 3, 1, 2)
    if batch.ndim != 4 or batch.dtype != torch.uint8 or batch.shape[1] not in (1, 3):
        raise BadParameterError(
            f"The batch is {images.dtype} {tuple(images.shape)}.",
            "Give uint8, NumPy (N, H, W, C) or torch (N, C, H, W), with 1 or 3 channels.",
        )
    return batch


def _noise_parts(
    shape: tuple[int, ...], step: int, parameters: Parameters, device: torch.device
) -> Iterator[torch.Tensor]:
    """Standard normal noise of a whole batch (N, C, h, w), ``step`` photographs at a time, from the seed that was drawn."""
    generator = torch.Generator(device).manual_seed(parameters.noise_seed)
    for start in range(0, shape[0], step):
        yield torch.randn((min(step, shape[0] - start), *shape[1:]), generator=generator, device=device)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
