"""What stands behind a network: how two embeddings become a score, and how scores of several systems become one.

``joint_bayesian`` learns it from people, ``normalization`` gives scores the scale of a cohort, ``fusion`` adds them up. The
simplest of them, the cosine, is ``evaluation.cosine_scores``.

Imports from facelab: datasets.
"""

from facelab.scoring.fusion import fuse
from facelab.scoring.joint_bayesian import JointBayesian, fit_joint_bayesian
from facelab.scoring.normalization import Cohort, s_norm, t_norm, z_norm

__all__ = ["Cohort", "JointBayesian", "fit_joint_bayesian", "fuse", "s_norm", "t_norm", "z_norm"]
