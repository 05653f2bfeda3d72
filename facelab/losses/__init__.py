"""The losses: one file a family, functions that read like their paper. A new loss of cosines becomes ``-p loss=NAME`` by a line
in ``methods.margin.LOSSES``.

A file can be taken out of the course with its neighbour ``cosine``; it needs torch alone.

Imports from facelab: nothing.
"""

from facelab.losses.center import center_loss, updated_centers
from facelab.losses.info_nce import info_nce
from facelab.losses.margin import a_softmax, arc_face, cos_face, margin_softmax, no_margin, sphere_lambda
from facelab.losses.nt_xent import nt_xent
from facelab.losses.ring import ring_loss
from facelab.losses.sup_con import sup_con
from facelab.losses.vcl import beta_nt_xent, beta_scores, distribution_similarity, kl_to_standard
from facelab.losses.vicreg import vicreg

__all__ = [
    "a_softmax",
    "arc_face",
    "beta_nt_xent",
    "beta_scores",
    "center_loss",
    "cos_face",
    "distribution_similarity",
    "info_nce",
    "kl_to_standard",
    "margin_softmax",
    "no_margin",
    "nt_xent",
    "ring_loss",
    "sphere_lambda",
    "sup_con",
    "updated_centers",
    "vicreg",
]
