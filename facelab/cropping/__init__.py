"""From photographs to faces: detect, choose, align, and count what was not found."""

from facelab.cropping.align import align, crop_box, crop_face, crop_largest, similarity, template_points
from facelab.cropping.boxes import Box, Detector, Face, iou, largest, reference_box
from facelab.cropping.carried import model_file
from facelab.cropping.haar import HaarDetector
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
    "crop_largest",
    "crop_tree",
    "iou",
    "largest",
    "model_file",
    "reference_box",
    "similarity",
    "template_points",
]
