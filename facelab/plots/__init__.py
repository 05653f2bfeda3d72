"""One function a picture. Each takes numbers and returns the matplotlib figure, or the JPEG where it shows faces."""

from facelab.plots.charts import confusion, curves, interval_panels, intervals, rate_grids, silhouette_curve
from facelab.plots.faces import as_jpeg, face_sheet, mark_faces, show_faces, sprite, thumbnails
from facelab.plots.geometry import Plane, norms_and_angles, on_the_circle, plane, target_curves
from facelab.plots.maps import embedding_map, thumbnail_map, two_dimensions
from facelab.plots.shares import over_share
from facelab.plots.sheets import found_sheet, nearest, neighbours_sheet, pair_sheet
from facelab.plots.style import COLOURS, use_course_style
from facelab.plots.verification import det_curves, score_histograms

__all__ = [
    "COLOURS",
    "Plane",
    "as_jpeg",
    "confusion",
    "curves",
    "det_curves",
    "embedding_map",
    "face_sheet",
    "found_sheet",
    "interval_panels",
    "intervals",
    "mark_faces",
    "nearest",
    "neighbours_sheet",
    "norms_and_angles",
    "on_the_circle",
    "over_share",
    "pair_sheet",
    "plane",
    "rate_grids",
    "score_histograms",
    "show_faces",
    "silhouette_curve",
    "sprite",
    "target_curves",
    "thumbnail_map",
    "thumbnails",
    "two_dimensions",
    "use_course_style",
]
