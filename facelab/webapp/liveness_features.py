"""How a face differs between a straight and a turned frame: nine figures of dense correspondences, without a network.

A flat print that turns moves as a plane does; a bent one as a smooth sheet; a photograph that was warped is the same skin in
other places, its light and its every hair included. A head hides one cheek and shows the other, its nose runs ahead of both,
the light stays where it is while the skin moves, and eyes and mouth are never twice the same.
"""

from __future__ import annotations

import cv2
import numpy as np

from facelab.cropping import align

SIDE = 128  #: of a face crop, in pixels
MARGIN = 0.15  #: around the template, so that the outline of the face is in it
_EYES = 31.0  # distance of the eyes in a crop; all lengths are in it
_MIDDLE = (63.5, 66.0)  # of the face in a crop
_FINE, _LOCAL, _WINDOW = 1.2, 8.0, 4.0  # pixels: of smoothing, of the local mean and contrast, of a local correlation

#: Names of the figures, in their order.
FEATURES = ("plane", "sheet", "head", "nose", "dome", "match", "grain", "stretch", "light")

_ROWS, _COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
_FACE = ((_COLUMNS - _MIDDLE[0]) / 38) ** 2 + ((_ROWS - _MIDDLE[1]) / 50) ** 2 < 1
_GRID = tuple(part[_FACE[20:112:4, 28:100:4]] for part in np.mgrid[20:112:4, 28:100:4])  # rows and columns of K points


def face_crop(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The aligned face in grey, with some room around it: uint8 (128, 128).

    Args:
        image: uint8 (H, W, C).
        landmarks: (5, 2), as in ``cropping.Face``.
    """
    crop = align(image, landmarks, SIDE, MARGIN, template="arcface")
    return crop[:, :, 0] if crop.shape[2] == 1 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)


def pair_features(straight: np.ndarray, turned: np.ndarray, side: int) -> np.ndarray:
    """The figures of a pair of face crops.

    Args:
        straight: uint8 (128, 128), as ``face_crop`` gives it.
        turned: the same face, turned.
        side: 1: the nose went to the right of the picture; -1: to the left, and both are looked at in a mirror.

    Returns:
        float64 (9,), in the order of ``FEATURES``. Lengths are in distances of the eyes, those above 0 as logarithms:

        ``plane``  what is left of the displacements after the best homography;
        ``sheet``  after the best quadratic, as of a bent sheet;
        ``head``  after an affine movement of a generic head, a dome with a nose;
        ``nose``, ``dome``  how far these two went ahead, to the right;
        ``match``  correlation of straight and turned skin, once every point is laid on its other (inverse tanh);
        ``grain``  how rough the displacements are from point to point;
        ``stretch``  how far skin was drawn out or pressed together;
        ``light``  by how much lighter or darker it became, beyond what a slope over the picture does.
    """
    if side < 0:
        straight, turned = straight[:, ::-1], turned[:, ::-1]
    first, second = _normalised(straight), _normalised(turned)
    flow = _dense_flow(first, second)
    moved = flow[_GRID] / _EYES  # (K, 2)
    weight = _texture(first)[_GRID]
    weight = weight / weight.mean() if weight.any() else np.ones_like(weight)  # an even grey has no texture anywhere

    plane = _homography_residual(moved, weight)
    sheet = _fit(_quadratic(*_points()), moved, weight)[1]
    head_moves, head = _fit(_head(*_points()), moved, weight)
    match = _local_correlation(first, _pulled(second, flow))
    roughness = np.hypot(*np.moveaxis(flow - cv2.GaussianBlur(flow, (0, 0), 3), -1, 0))[_FACE].mean() / _EYES
    above_0 = [plane, sheet, head, roughness, _median_stretch(flow), _relighting(straight, turned, flow)]
    lengths = np.log(np.array(above_0) + 0.003)
    match = np.arctanh(np.clip(match, -0.98, 0.985))
    return np.array([*lengths[:3], head_moves[3, 0], head_moves[4, 0], match, *lengths[3:]])


def _points() -> tuple[np.ndarray, np.ndarray]:
    return (_GRID[1] - _MIDDLE[0]) / _EYES, (_GRID[0] - _MIDDLE[1]) / _EYES


def _quadratic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def _head(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    nose = np.exp(-(x**2 + (y - 0.25) ** 2) / (2 * 0.3**2))
    dome = np.sqrt(np.clip(1 - (x / 1.3) ** 2 - (y / 1.7) ** 2, 0, None))
    return np.stack([np.ones_like(x), x, y, nose, dome], axis=-1)


def _fit(basis: np.ndarray, moved: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, float]:
    """Weighted least squares of the displacements (K, 2) on a basis (K, B): coefficients (B, 2), and what is left."""
    root = np.sqrt(weight)[:, None]
    coefficients = np.linalg.lstsq(basis * root, moved * root, rcond=None)[0]
    return coefficients, _root_mean_square(moved - basis @ coefficients, weight)


def _homography_residual(moved: np.ndarray, weight: np.ndarray) -> float:
    """What is left after the homography with the least median of squares, which a nose does not bend."""
    points = np.stack(_points(), axis=1)
    found = cv2.findHomography(points, points + moved, cv2.LMEDS)[0]
    matrix = np.eye(3) if found is None else found
    seen = np.c_[points, np.ones(len(points))] @ matrix.T
    return _root_mean_square(points + moved - seen[:, :2] / seen[:, 2:], weight)


def _root_mean_square(rest: np.ndarray, weight: np.ndarray) -> float:
    return float(np.sqrt((weight * (rest**2).sum(axis=1)).mean()))


def _normalised(gray: np.ndarray) -> np.ndarray:
    """Local mean 0 and local contrast 1, so that exposure and the slope of the light do not count."""
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), _FINE)
    centred = smooth - cv2.GaussianBlur(smooth, (0, 0), _LOCAL)
    spread = np.sqrt(cv2.GaussianBlur(centred**2, (0, 0), _LOCAL))
    return centred / (spread + 3)


def _dense_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Displacement of each point of the first face in the second, float32 (128, 128, 2), in pixels.

    DIS (Kroeger et al. 2016) is drawn to small movements. So the best quadratic of its answer is taken out of the second
    picture, and it is asked again for the rest; twice.
    """
    seeker = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    seeker.setFinestScale(0)
    seeker.setPatchSize(12)
    seeker.setPatchStride(4)
    levels = _as_levels(first)
    flow = seeker.calc(levels, _as_levels(second), None)
    everywhere = _quadratic((_COLUMNS - _MIDDLE[0]) / _EYES, (_ROWS - _MIDDLE[1]) / _EYES)
    for _ in range(2):
        base = (everywhere @ _robust_quadratic(flow[_GRID])).astype(np.float32)
        rest = seeker.calc(levels, _as_levels(_pulled(second, base)), None)
        flow = rest + _pulled(base, rest)
    return flow


def _robust_quadratic(moved: np.ndarray) -> np.ndarray:
    """Coefficients (6, 2); points that are pixels away from the rest hardly count."""
    basis, weight = _quadratic(*_points()), np.ones(len(moved))
    for _ in range(5):
        coefficients = _fit(basis, moved, weight)[0]
        weight = 1 / (1 + ((moved - basis @ coefficients) ** 2).sum(axis=1) / 1.5**2)
    return coefficients


def _as_levels(normalised: np.ndarray) -> np.ndarray:
    return np.clip(128 + 40 * normalised, 0, 255).astype(np.uint8)


def _pulled(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The second picture laid on the first."""
    return cv2.remap(
        picture, _COLUMNS + flow[..., 0], _ROWS + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _texture(normalised: np.ndarray) -> np.ndarray:
    slope = np.hypot(cv2.Sobel(normalised, cv2.CV_32F, 1, 0), cv2.Sobel(normalised, cv2.CV_32F, 0, 1))
    return cv2.GaussianBlur(slope, (0, 0), 2)


def _local_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Mean over the face of the correlation in a Gaussian window, where there is something to correlate."""

    def mean(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture, (0, 0), _WINDOW)

    means = mean(first), mean(second)
    variances = [mean(p * p) - m**2 for p, m in zip((first, second), means, strict=True)]
    covariance = mean(first * second) - means[0] * means[1]
    correlation = covariance / np.sqrt(np.maximum(variances[0], 1e-4) * np.maximum(variances[1], 1e-4))
    counted = _FACE & (variances[0] > 0.02)
    return float(correlation[counted].mean()) if counted.any() else 0.0


def _median_stretch(flow: np.ndarray) -> float:
    slopes = [cv2.Sobel(flow[..., axis], cv2.CV_32F, *order) / 8 for axis in (0, 1) for order in ((1, 0), (0, 1))]
    return float(np.median(np.sqrt(sum(slope**2 for slope in slopes))[_FACE]))


def _relighting(straight: np.ndarray, turned: np.ndarray, flow: np.ndarray) -> float:
    """Standard deviation of the change of log brightness, without its best slope over the face."""

    def logarithm(gray: np.ndarray) -> np.ndarray:
        return np.log(cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 3) + 8)

    change = (_pulled(logarithm(turned), flow) - logarithm(straight))[_GRID]
    slope = np.stack([np.ones(len(change)), *_points()], axis=1)
    return float((change - slope @ np.linalg.lstsq(slope, change, rcond=None)[0]).std())
