"""What is measured, from scores and embeddings: every number with its interval, its n, and beside baselines.

Functions of arrays: no network is known here.

Imports from facelab: datasets.
"""

from facelab.evaluation.agreement import (
    agreement,
    agreement_by_label,
    bin_by_quantile,
    cluster_agreement,
    matched_accuracy,
)
from facelab.evaluation.balance import (
    assert_all_classes,
    assert_not_one_class,
    balanced_accuracy,
    class_counts,
    recall_by_class,
)
from facelab.evaluation.baselines import BASELINES, raw_pixels, whitened_pca
from facelab.evaluation.bootstrap import (
    bootstrap_pairs_over_people,
    paired_bootstrap,
    verification_estimates,
    verification_estimates_by_model,
)
from facelab.evaluation.clusters import fit_kmeans, silhouette_estimate, silhouette_sweep, topk_by_clusters
from facelab.evaluation.collapse import (
    active_units,
    alignment,
    collapse_metrics,
    effective_rank,
    largest_class_share,
    per_dimension_std,
    predicted_class_shares,
    uniformity,
)
from facelab.evaluation.confusion import confusion_matrix, most_confused_pairs
from facelab.evaluation.disparity import (
    fairness_discrepancy_rate,
    garbe,
    gini,
    inequity_rate,
    max_over_geometric_mean,
)
from facelab.evaluation.fairness import GroupRates, fairness_estimates, group_rates, threshold_at_fmr
from facelab.evaluation.identification import (
    OpenSetSplit,
    Searches,
    accuracy_over_people,
    cmc,
    open_set_split,
    search_gallery,
)
from facelab.evaluation.intervals import Estimate, mean_over_seeds, rate_by_group, wilson, wilson_of_fraction
from facelab.evaluation.multi_label import ATTRIBUTE_METRICS, attribute_metrics
from facelab.evaluation.multiple_comparisons import holm, p_value_from_t_interval, significant_means
from facelab.evaluation.neighbor_vote import predict_by_vote
from facelab.evaluation.open_set import (
    OpenSetCurve,
    false_negatives,
    false_positives,
    fnir_at_fpir,
    fnir_estimate,
    open_set_curve,
)
from facelab.evaluation.probe import Probe, fit_probe
from facelab.evaluation.rejection import excess_risk, risk_coverage
from facelab.evaluation.resampling import bootstrap_over_people, jackknife_over_people, rate_over_people
from facelab.evaluation.sample_size import design_effect, trials_needed
from facelab.evaluation.threshold_rates import RateCurve, rates_over_thresholds
from facelab.evaluation.topk import TopK, topk_by_neighbors, topk_by_scores, topk_leave_one_out
from facelab.evaluation.verification import (
    Roc,
    View2Result,
    auc,
    best_threshold,
    cosine_scores,
    eer,
    lfw_view2,
    measurable_fmrs,
    pair_accuracy,
    roc,
    tmr_at_fmr,
)

__all__ = [
    "ATTRIBUTE_METRICS",
    "BASELINES",
    "Estimate",
    "GroupRates",
    "OpenSetCurve",
    "OpenSetSplit",
    "Probe",
    "RateCurve",
    "Roc",
    "Searches",
    "TopK",
    "View2Result",
    "accuracy_over_people",
    "active_units",
    "agreement",
    "agreement_by_label",
    "alignment",
    "assert_all_classes",
    "assert_not_one_class",
    "attribute_metrics",
    "auc",
    "balanced_accuracy",
    "best_threshold",
    "bin_by_quantile",
    "bootstrap_over_people",
    "bootstrap_pairs_over_people",
    "class_counts",
    "cluster_agreement",
    "cmc",
    "collapse_metrics",
    "confusion_matrix",
    "cosine_scores",
    "design_effect",
    "eer",
    "effective_rank",
    "excess_risk",
    "fairness_discrepancy_rate",
    "fairness_estimates",
    "false_negatives",
    "false_positives",
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
    "largest_class_share",
    "lfw_view2",
    "matched_accuracy",
    "max_over_geometric_mean",
    "mean_over_seeds",
    "measurable_fmrs",
    "most_confused_pairs",
    "open_set_curve",
    "open_set_split",
    "p_value_from_t_interval",
    "pair_accuracy",
    "paired_bootstrap",
    "per_dimension_std",
    "predict_by_vote",
    "predicted_class_shares",
    "rate_by_group",
    "rate_over_people",
    "rates_over_thresholds",
    "raw_pixels",
    "recall_by_class",
    "risk_coverage",
    "roc",
    "search_gallery",
    "significant_means",
    "silhouette_estimate",
    "silhouette_sweep",
    "threshold_at_fmr",
    "tmr_at_fmr",
    "topk_by_clusters",
    "topk_by_neighbors",
    "topk_by_scores",
    "topk_leave_one_out",
    "trials_needed",
    "uniformity",
    "verification_estimates",
    "verification_estimates_by_model",
    "whitened_pca",
    "wilson",
    "wilson_of_fraction",
]
