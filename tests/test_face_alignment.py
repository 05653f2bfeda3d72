"""Three views of the same photographs: whole, cut to the box, aligned by the eyes."""

from dataclasses import replace

import numpy as np
from tiny import tiny_faces

from facelab.cropping import Box, Face, crop_box, crop_face
from facelab.protocols.face_alignment import alignment_variants

LANDMARKS = np.array([[10.0, 14], [22, 12], [16, 20], [11, 26], [21, 25]])
FACE = Face(Box(4, 6, 22, 24), 0.9, LANDMARKS)


class EverySecond:
    """Finds a small and a large face on every second photograph."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, image):
        self.calls += 1
        small = Face(Box(0, 0, 5, 5), 0.99, LANDMARKS)
        return [small, FACE] if self.calls % 2 else []


def test_the_same_photographs_come_out_in_three_ways():
    faces = tiny_faces(size=40)
    sets, found = alignment_variants(faces, EverySecond(), 16, margin=0.1)
    assert found.tolist() == [True, False] * 24
    assert list(sets) == ["as they are", "detected", "detected and aligned"]
    for one in sets.values():
        assert one.images.shape == (48, 16, 16, 1) and np.array_equal(one.identity, faces.identity)
    whole, boxes, aligned = sets.values()
    np.testing.assert_array_equal(boxes.images[0], crop_box(faces.images[0], FACE.box, 16, 0.1))
    np.testing.assert_array_equal(aligned.images[0], crop_face(faces.images[0], FACE, 16, 0.1))
    np.testing.assert_array_equal(boxes.images[1], whole.images[1])
    np.testing.assert_array_equal(aligned.images[1], whole.images[1])
    # the mean of a photograph halved is that of the photograph
    half = replace(faces, images=faces.images[:, :32, :32])
    small = alignment_variants(half, EverySecond(), 16)[0]["as they are"].images
    np.testing.assert_allclose(small.mean(axis=(1, 2, 3)), half.images.mean(axis=(1, 2, 3)), atol=0.5)
