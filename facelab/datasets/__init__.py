"""Data sets as FaceSets: load one by name, split it, pair it, and prove that nothing leaks."""

from facelab.datasets import orl as _orl  # noqa: F401  (importing a source registers it)
from facelab.datasets.faceset import UNKNOWN, FaceSet, Rejected
from facelab.datasets.loading import load

__all__ = ["UNKNOWN", "FaceSet", "Rejected", "load"]
