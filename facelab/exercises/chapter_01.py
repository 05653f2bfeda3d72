"""Exercises of notebook 01: overlap of boxes, the largest of several faces, alignment by two eyes, the interval of a rate, and
a guess. Alignment by all landmarks: ``chapter_01_landmarks``."""

from __future__ import annotations

import numpy as np

from facelab.cropping import iou as _iou
from facelab.cropping import similarity_transform
from facelab.evaluation.intervals import wilson as _wilson
from facelab.exercises.exercise import Exercise, refuse, require, require_returned, require_value, require_written
from facelab.exercises.prediction import Prediction


def iou(a: tuple, b: tuple) -> float:
    """Intersection over union of two boxes (x, y, w, h)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _check_overlap(answer) -> None:
    require_written(answer((0, 0, 2, 2), (0, 0, 2, 2)))
    apart = answer((0, 0, 10, 10), (15, 12, 10, 10))
    require_value(
        np.sign(apart),
        0,
        "boxes that are apart in both directions: a negative width times a negative height is positive",
    )
    require_value(answer((0, 0, 10, 10), (20, 0, 10, 10)), 0.0, "boxes side by side, apart")
    inside = answer((0, 0, 10, 10), (2, 2, 5, 5))
    what = "a small box inside a large one"
    refuse(inside, 1, f"{what}: you divide by the smaller area. IoU divides by the union.")
    refuse(inside, 25 / 125, f"{what}: the union counts the shared part once, you count it twice.")
    require_value(inside, 0.25, what)
    rng = np.random.default_rng(0)
    for a, b in zip(rng.integers(1, 30, (50, 4)), rng.integers(1, 30, (50, 4)), strict=True):
        require_value(answer(tuple(a), tuple(b)), _iou(a, b), f"boxes {tuple(map(int, a))} and {tuple(map(int, b))}")


def _unclipped(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


IOU = Exercise(
    "1.1 intersection over union",
    iou,
    _check_overlap,
    mistakes={
        "no clipping": (_unclipped, "a negative width times a negative height"),
        "over the smaller box": (
            lambda a, b: _iou(a, b) * (a[2] * a[3] + b[2] * b[3]) / (1 + _iou(a, b)) / min(a[2] * a[3], b[2] * b[3]),
            "divide by the smaller area",
        ),
        "shared part twice": (lambda a, b: _iou(a, b) / (1 + _iou(a, b)), "count it twice"),
        "corners instead of width and height": (
            lambda a, b: _iou((a[0], a[1], a[2] - a[0], a[3] - a[1]), (b[0], b[1], b[2] - b[0], b[3] - b[1])),
            "expected",
        ),
    },
    minutes=10,
    difficulty=2,
    importance=5,
    hints=(
        "Do it first in one dimension: where do two intervals begin to overlap, and where does the overlap end? "
        "What does the difference of these two numbers say where they do not overlap?",
        "The shared width is the smaller of the two right edges minus the larger of the two left edges, and 0 where "
        "that is negative; the height likewise. The union is the sum of both areas minus what they share.",
    ),
)


def largest_face(boxes: list[tuple]) -> int | None:
    """Number of the box with the largest area; None where there is no box."""
    return max(range(len(boxes)), key=lambda i: boxes[i][2] * boxes[i][3], default=None)


def _check_face(answer) -> None:
    boxes = [(0, 0, 30, 10), (5, 5, 20, 20), (9, 9, 11, 11)]
    require_written(answer(list(boxes)))
    try:
        none = answer([])
    except (ValueError, IndexError) as error:
        none = error
    require_written(none)
    require(
        none is None,
        "no face: return None. A number, or the whole frame, would enrol a photograph of a wall as somebody's face.",
    )
    got = answer(list(boxes))
    require(got is not None, "three faces: your function returns None. Is the return missing?")
    require(got != 0, "three faces: 30 x 10 is the widest, not the largest. Compare the areas.")
    require(got == 1, f"three faces: you chose number {got!r}; 20 x 20 has the largest area, number 1.")
    require(
        answer(boxes[::-1]) == 1 and answer(boxes[1:]) == 0,
        "the largest is not always number 1: count from the list given.",
    )


LARGEST_FACE = Exercise(
    "1.2 the largest face, or none",
    largest_face,
    _check_face,
    mistakes={
        "the first": (lambda boxes: 0 if boxes else None, "not the largest"),
        "the widest": (lambda b: max(range(len(b)), key=lambda i: b[i][2], default=None), "not the largest"),
        "the whole frame where there is none": (lambda b: largest_face(b) if b else 0, "return None"),
        "the smallest": (
            lambda b: min(range(len(b)), key=lambda i: b[i][2] * b[i][3], default=None),
            "you chose number 2",
        ),
        "a crash where there is none": (lambda b: int(np.argmax([w * h for _, _, w, h in b])), "return None"),
    },
    minutes=5,
    difficulty=1,
    importance=4,
    hints=(
        "The section *No face is an answer* says what an application did that had an answer for every photograph.",
        "`max` over the numbers of the boxes, with `key=` their area, does all of it: look up what its argument "
        "`default` is for.",
    ),
)


def align_eyes(right: np.ndarray, left: np.ndarray, to_right: np.ndarray, to_left: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that turns, scales and shifts the two eyes onto two given points."""
    a = complex(*(to_left - to_right)) / complex(*(left - right))
    b = complex(*to_right) - a * complex(*right)
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _check_align(answer) -> None:
    right, left, to_right, to_left = map(np.array, ([3.0, 4.0], [8.0, 16.0], [20.0, 30.0], [46.0, 30.0]))
    got = answer(right, left, to_right, to_left)
    require_returned(got)
    got = np.asarray(got, dtype=float)
    require(
        got.shape == (2, 3), f"the matrix has the shape {got.shape}, expected (2, 3): the last column is the shift."
    )
    turned, scales = got[:, :2], np.hypot(*got[:, :2])
    require(
        abs(scales[0] - scales[1]) < 1e-6 and abs(turned[:, 0] @ turned[:, 1]) < 1e-6,
        "the face is stretched or sheared: a similarity keeps angles, so its two columns have the same length and "
        "are perpendicular.",
    )
    require(np.linalg.det(turned) > 0, "the face is mirrored: the determinant of the left part must be positive.")
    require(
        abs(scales[0] - 2) < 1e-6,
        f"the scale is {scales[0]:.3f}, expected 2: the new distance of the eyes over the old.",
    )
    landed = [turned @ eye + got[:, 2] for eye in (right, left)]
    require(
        np.allclose(landed[0], to_right, atol=1e-6),
        f"the right eye lands at {landed[0]}, expected {to_right}: check the shift.",
    )
    require(
        np.allclose(landed[1], to_left, atol=1e-6),
        f"the left eye lands at {landed[1]}, expected {to_left}: check the sign of the turn (y points down).",
    )
    rng = np.random.default_rng(1)
    for points in rng.normal(size=(20, 4, 2)) * 30:
        require_value(
            answer(*points), similarity_transform(points[:2], points[2:]), "for random eyes, the matrix", tolerance=1e-4
        )


def _scale_only(right, left, to_right, to_left):
    scale = np.linalg.norm(to_left - to_right) / np.linalg.norm(left - right)
    return np.column_stack([scale * np.eye(2), to_right - scale * right])


def _turned_back(right, left, to_right, to_left):
    matrix = align_eyes(right, left, to_right, to_left)
    matrix[:, :2] = matrix[:, :2].T
    matrix[:, 2] = to_right - matrix[:, :2] @ right
    return matrix


def _stretched(right, left, to_right, to_left):
    scale = (to_left - to_right) / (left - right)
    return np.column_stack([np.diag(scale), to_right - scale * right])


def _small(right, left, to_right, to_left):
    matrix = align_eyes(right, left, to_right, to_left)
    matrix[:, :2] /= 4
    return matrix


ALIGN_EYES = Exercise(
    "1.3 alignment by the eyes",
    align_eyes,
    _check_align,
    mistakes={
        "no turn": (_scale_only, "left eye lands"),
        "turned the wrong way": (_turned_back, "sign of the turn"),
        "x and y scaled apart": (_stretched, "stretched"),
        "the inverse scale": (_small, "the scale is 0.500"),
        "no shift": (lambda *p: np.column_stack([align_eyes(*p)[:, :2], np.zeros(2)]), "check the shift"),
        "without the shift's column": (lambda *p: align_eyes(*p)[:, :2], "shape (2, 2)"),
        "mirrored": (lambda *p: align_eyes(*p) * [[1, 1, 1], [-1, -1, 1]], "mirrored"),
    },
    minutes=15,
    difficulty=3,
    importance=4,
    hints=(
        "The section *Alignment by the eyes* gives $a$ and $b$ as complex numbers. In Python: `complex(*left) - "
        "complex(*right)`.",
        "Multiplication of $z = x + iy$ by $a = c + id$ gives $(cx - dy) + i(dx + cy)$. Read off the two rows of "
        "the matrix; the real and the imaginary part of $b$ are its last column.",
    ),
)


def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a rate."""
    p = successes / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    return middle - half, middle + half


def _check_wilson(answer) -> None:
    got = answer(87, 109)
    require_written(got)
    require(np.shape(got) == (2,), "return two numbers, the lower and the upper end.")
    none = np.asarray(answer(0, 20), dtype=float)
    require(
        not np.allclose(none, 0),
        "0 of 20: your interval is the single point 0, as if 20 photographs proved that nothing ever fails. "
        "That is Wald's interval; Wilson's has z^2 / n in it.",
    )
    require(got[0] <= got[1], "the lower end comes first.")
    require(np.asarray(got).max() <= 1, "87 of 109: the ends are shares between 0 and 1, not counts or per cent.")
    refuse(got, wilson_interval(87, 109, 1.645), "87 of 109: this is the interval of 90 %. That of 95 % has z = 1.96.")
    true = wilson_interval(87, 109)
    refuse(
        got,
        (87 / 109 - (true[1] - true[0]) / 2, 87 / 109 + (true[1] - true[0]) / 2),
        "87 of 109: the width is right, the centre is not. It is not p: Wilson's centre lies nearer to one half.",
    )
    for successes, n in ((87, 109), (0, 20), (20, 20), (1, 3)):
        true = _wilson(successes, n)
        require_value(answer(successes, n), (true.low, true.high), f"{successes} of {n}", tolerance=1e-4)


def _wald(k, n):
    p = k / n
    half = 1.96 * (p * (1 - p) / n) ** 0.5
    return p - half, p + half


WILSON_INTERVAL = Exercise(
    "1.4 the interval of a rate",
    wilson_interval,
    _check_wilson,
    mistakes={
        "Wald": (_wald, "Wald's interval"),
        "per cent": (lambda k, n: tuple(100 * x for x in wilson_interval(k, n)), "shares between 0 and 1"),
        "z of 90 %": (lambda k, n: wilson_interval(k, n, 1.645), "the interval of 90 %"),
        "centred on the rate": (
            lambda k, n: (k / n - np.ptp(wilson_interval(k, n)) / 2, k / n + np.ptp(wilson_interval(k, n)) / 2),
            "the centre is not",
        ),
        "middle and half width": (
            lambda k, n: (sum(wilson_interval(k, n)) / 2, np.ptp(wilson_interval(k, n)) / 2),
            "lower end comes first",
        ),
    },
    minutes=10,
    difficulty=2,
    importance=5,
    hints=(
        "Both formulas stand above. Work with `p = successes / n`, and note that the second gives *half* the width.",
        "The ends are the centre minus and plus half the width. Try 0 of 20: the lower end is 0, the upper end is not.",
    ),
)

GUESS_DOUBLED_FOUND = Prediction(
    "1.6 guess: faces found in enlarged photographs",
    "guess_doubled_found",
    "orl sweep/2x, 1.3/5",
    minutes=3,
    difficulty=2,
    importance=4,
    hints=(
        "The search takes the window's sizes from 24 pixels upwards in steps of 30 per cent. What does doubling the "
        "photograph do to the sizes of the faces, and what to the room that a large window has to move?",
    ),
)
