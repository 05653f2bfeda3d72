"""facelab: a lab course on learning face representations, and the small package that its notebooks share."""

__version__ = "0.1.0"
