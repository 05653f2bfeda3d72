"""A simulated camera, the same for faces and for attacks: else they would be told apart by how they were simulated."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Camera:
    """What a camera does to a picture; each range is drawn from anew for each frame.

    Attributes:
        scale: enlargement.
        tilt: standard deviation, in degrees.
        blur: standard deviation of a Gaussian, in pixels of the frame.
        gain, gamma: of the exposure.
        slope: relative change of the light from one side of the frame to the other, standard deviation.
        noise: standard deviation, in grey values.
        quality: of the JPEG.
    """

    scale: tuple[float, float] = (1.0, 2.4)
    tilt: float = 2.0
    blur: tuple[float, float] = (0.2, 1.2)
    gain: tuple[float, float] = (0.9, 1.1)
    gamma: tuple[float, float] = (0.85, 1.15)
    slope: float = 0.12
    noise: tuple[float, float] = (0.5, 4.0)
    quality: tuple[float, float] = (60.0, 98.0)

    def frame(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A frame of what is held before it, uint8 (H, W); the frame is larger by the scale."""
        height, width = picture.shape
        scale = rng.uniform(*self.scale)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, self.tilt), scale)
        size = (round(width * scale), round(height * scale))
        matrix[:, 2] += [(scale - 1) * width / 2, (scale - 1) * height / 2]
        matrix[:, 2] += [(size[0] - scale * width) / 2, (size[1] - scale * height) / 2]
        seen = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        light = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), rng.uniform(*self.blur)) / 255
        light = np.clip(light, 0, 1) ** rng.uniform(*self.gamma) * rng.uniform(*self.gain)
        x, y = np.meshgrid(np.linspace(-0.5, 0.5, size[0]), np.linspace(-0.5, 0.5, size[1]))
        light *= 1 + rng.normal(0, self.slope) * x + rng.normal(0, self.slope) * y
        light = 255 * light + rng.normal(0, rng.uniform(*self.noise), light.shape)
        grey = np.clip(np.round(light), 0, 255).astype(np.uint8)
        encoded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, round(rng.uniform(*self.quality))])[1]
        return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
