"""The losses: one file each, functions that read like their paper and need nothing but torch."""

from facelab.losses.info_nce import info_nce
from facelab.losses.nt_xent import nt_xent
from facelab.losses.sup_con import sup_con
from facelab.losses.vicreg import vicreg

__all__ = ["info_nce", "nt_xent", "sup_con", "vicreg"]
