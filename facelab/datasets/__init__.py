"""Data sets as FaceSets: load one by name, split it, pair it, and prove that nothing leaks.

Imports from facelab: no other folder.
"""

import pandas as pd

# Importing a source registers it.
from facelab.datasets import (  # noqa: F401
    casia,
    celeba,
    cifar,
    ffhq,
    folder,
    gtav,
    lfw,
    orl,
    orl_wild,
    parquet,
    rec,
    utkface,
    verification_bin,
    vggface2,
    webdataset,
)
from facelab.datasets.derived_sets import derived_set
from facelab.datasets.faceset import UNKNOWN, FaceSet, RejectedFile, RejectedFilesWarning
from facelab.datasets.loading import load

# Where pyarrow is installed, pandas keeps text by it, and then refuses names of files that are not UTF-8
pd.set_option("mode.string_storage", "python")

__all__ = ["UNKNOWN", "FaceSet", "RejectedFile", "RejectedFilesWarning", "derived_set", "load"]
