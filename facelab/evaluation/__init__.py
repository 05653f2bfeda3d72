"""The protocols: every number with its interval, its n, and beside baselines that learn nothing."""

from facelab.evaluation.baselines import BASELINES, raw_pixels, whitened_pca
from facelab.evaluation.bootstrap import (
    bootstrap_over_people,
    paired_bootstrap,
    verification_figures,
)
from facelab.evaluation.confusion import confusion, most_confused
from facelab.evaluation.intervals import Estimate, over_seeds, rate_by_group, wilson
from facelab.evaluation.topk import TopK, topk_by_neighbours, topk_by_scores, topk_leave_one_out
from facelab.evaluation.verification import (
    Roc,
    View2,
    accuracy,
    auc,
    best_threshold,
    eer,
    lfw_view2,
    roc,
    scores,
    tar_at_far,
)

__all__ = [
    "BASELINES",
    "Estimate",
    "Roc",
    "TopK",
    "View2",
    "accuracy",
    "auc",
    "best_threshold",
    "bootstrap_over_people",
    "confusion",
    "eer",
    "lfw_view2",
    "most_confused",
    "over_seeds",
    "paired_bootstrap",
    "rate_by_group",
    "raw_pixels",
    "roc",
    "scores",
    "tar_at_far",
    "topk_by_neighbours",
    "topk_by_scores",
    "topk_leave_one_out",
    "verification_figures",
    "whitened_pca",
    "wilson",
]
