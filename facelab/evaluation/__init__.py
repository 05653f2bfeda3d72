"""The protocols: every number with its interval, its n, and beside baselines that learn nothing."""

from facelab.evaluation.agreement import agreement, agreement_by_label, binned, cluster_agreement, matched_accuracy
from facelab.evaluation.balance import (
    assert_all_classes,
    assert_not_one_class,
    balanced_accuracy,
    check_classes,
    recall_by_class,
)
from facelab.evaluation.baselines import BASELINES, raw_pixels, whitened_pca
from facelab.evaluation.bootstrap import (
    bootstrap_over_people,
    paired_bootstrap,
    verification_figures,
)
from facelab.evaluation.clusters import fit_kmeans, silhouette_of, silhouette_sweep, topk_by_clusters
from facelab.evaluation.collapse import (
    active_units,
    alignment,
    collapse_figures,
    effective_rank,
    largest_class,
    per_dimension_std,
    predicted_shares,
    uniformity,
)
from facelab.evaluation.confusion import confusion, most_confused
from facelab.evaluation.disparity import (
    fairness_discrepancy_rate,
    garbe,
    gini,
    inequity_rate,
    max_over_geometric_mean,
)
from facelab.evaluation.fairness import GroupRates, fairness_figures, group_rates, threshold_at_fmr
from facelab.evaluation.identification import (
    OpenSet,
    Searches,
    accuracy_over_people,
    cmc,
    open_set_split,
    search_gallery,
)
from facelab.evaluation.intervals import Estimate, over_seeds, rate_by_group, wilson
from facelab.evaluation.many import certain, holm, p_of_t_interval
from facelab.evaluation.open_set import OpenSetCurve, false_alarms, fnir_at_fpir, fnir_estimate, misses, open_set_curve
from facelab.evaluation.probe import Probe, fit_probe
from facelab.evaluation.rejection import excess_risk, risk_coverage
from facelab.evaluation.resampling import jackknife_over_people, over_people
from facelab.evaluation.sample_size import design_effect, trials_needed
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
    "GroupRates",
    "OpenSet",
    "OpenSetCurve",
    "Probe",
    "Roc",
    "Searches",
    "TopK",
    "View2",
    "accuracy",
    "accuracy_over_people",
    "active_units",
    "agreement",
    "agreement_by_label",
    "alignment",
    "assert_all_classes",
    "assert_not_one_class",
    "auc",
    "balanced_accuracy",
    "best_threshold",
    "binned",
    "bootstrap_over_people",
    "certain",
    "check_classes",
    "cluster_agreement",
    "cmc",
    "collapse_figures",
    "confusion",
    "design_effect",
    "eer",
    "effective_rank",
    "excess_risk",
    "fairness_discrepancy_rate",
    "fairness_figures",
    "false_alarms",
    "fit_kmeans",
    "fit_probe",
    "fnir_at_fpir",
    "fnir_estimate",
    "garbe",
    "gini",
    "group_rates",
    "holm",
    "inequity_rate",
    "jackknife_over_people",
    "largest_class",
    "lfw_view2",
    "matched_accuracy",
    "max_over_geometric_mean",
    "misses",
    "most_confused",
    "open_set_curve",
    "open_set_split",
    "over_people",
    "over_seeds",
    "p_of_t_interval",
    "paired_bootstrap",
    "per_dimension_std",
    "predicted_shares",
    "rate_by_group",
    "raw_pixels",
    "recall_by_class",
    "risk_coverage",
    "roc",
    "scores",
    "search_gallery",
    "silhouette_of",
    "silhouette_sweep",
    "tar_at_far",
    "threshold_at_fmr",
    "topk_by_clusters",
    "topk_by_neighbours",
    "topk_by_scores",
    "topk_leave_one_out",
    "trials_needed",
    "uniformity",
    "verification_figures",
    "whitened_pca",
    "wilson",
]
