"""Pictures of measured numbers and of faces: matplotlib figures, JPEG sheets, and the maps and arrays that they are drawn from.

Imports from facelab: datasets, cropping.
"""

from facelab.plots.alt_text import chart_alt_text, describe
from facelab.plots.charts import confusion_matrix, curves, interval_panels, intervals, rate_grids, silhouette_curve
from facelab.plots.faces import as_jpeg, face_sheet, mark_faces, show_faces, sprite, thumbnails
from facelab.plots.geometry import MarginGeometry, direction_circle, embedding_plane, norms_and_angles, target_curves
from facelab.plots.maps import embedding_map, project_to_2d, thumbnail_map
from facelab.plots.shares import share_trends
from facelab.plots.sheets import nearest_neighbors, neighbor_sheet, pair_sheet, search_sheet
from facelab.plots.style import COLORS, use_course_style
from facelab.plots.verification import det_curves, score_histograms

__all__ = [
    "COLORS",
    "MarginGeometry",
    "as_jpeg",
    "chart_alt_text",
    "confusion_matrix",
    "curves",
    "describe",
    "det_curves",
    "direction_circle",
    "embedding_map",
    "embedding_plane",
    "face_sheet",
    "interval_panels",
    "intervals",
    "mark_faces",
    "nearest_neighbors",
    "neighbor_sheet",
    "norms_and_angles",
    "pair_sheet",
    "project_to_2d",
    "rate_grids",
    "score_histograms",
    "search_sheet",
    "share_trends",
    "show_faces",
    "silhouette_curve",
    "sprite",
    "target_curves",
    "thumbnail_map",
    "thumbnails",
    "use_course_style",
]
