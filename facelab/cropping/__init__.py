"""From photographs to faces: detect, choose, align, and count what was not found.

Imports from facelab: datasets.
"""

from facelab.cropping.align import align, crop_box, crop_face, crop_largest_face, similarity_transform, template_points
from facelab.cropping.boxes import Box, Detector, Face, iou, largest_face, reference_box
from facelab.cropping.haar import HaarDetector
from facelab.cropping.model_files import model_file
from facelab.cropping.tree import CropReport, crop_tree
from facelab.cropping.yunet import YuNetDetector

__all__ = [
    "Box",
    "CropReport",
    "Detector",
    "Face",
    "HaarDetector",
    "YuNetDetector",
    "align",
    "crop_box",
    "crop_face",
    "crop_largest_face",
    "crop_tree",
    "iou",
    "largest_face",
    "model_file",
    "reference_box",
    "similarity_transform",
    "template_points",
]
