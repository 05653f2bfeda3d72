# %% [markdown]
# # 11 Conclusions: every method on the same faces
#
# Each of the earlier notebooks has its own budget and its own question. Here all methods get the same faces, the same budget
# and the same three questions. They are shown beside baselines that need no training, and beside a pretrained network as the
# ceiling. A method of your own can be added to the chart.
#
# ![Every method, three questions, with intervals](../figures/11_conclusions.png)
#
# ## What you will learn
#
# - How to compare methods so that only the method differs.
# - That a method can be ahead in one question and behind in another.
# - Which differences a test with twenty people can show, and which it cannot.
# - What each method costs.
#
# **Time:** about two minutes on two cores. **You need first:** notebooks 02 to 09.
# **Your own photographs** (`-p dataset=folder:PATH`): 6 people with 4 photographs each, or more; 10 of each are better.
#
# ## Parameters

# %% tags=["parameters"]
preset: str = "laptop"  # smoke: seconds; laptop: the stored one; paper: ten times the budget
dataset: str = "orl-wild"  # any data set with identities; people with few photographs are left out
seed: int = 0  # of split, weights, order and intervals
views: int = 0  # [0 ≤ views] budget of each training; 0: the preset's
rivals: str = "CNN + MLP, SimCLR, ArcFace"  # [some of facelab.experiments.comparison.CONTENDERS] who trains here

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats  # noqa: F401  for exercises 11.2 and 11.4

from facelab import datasets, evaluation, labs, plots, records
from facelab.exercises import chapter_11 as exercises
from facelab.exercises import chapter_11_front as front_exercises
from facelab.experiments import comparison
from facelab.experiments.analysis import conclusions
from facelab.methods import embed_faces
from facelab.paths import project_data, runs_root
from facelab.protocols import unseen_people
from facelab.training import fit_all

run = labs.begin("11_conclusions", preset=preset, dataset=dataset, seed=seed, views=views, rivals=rivals)
live = comparison.select(rivals)
faces = labs.require_people(datasets.load(dataset, comparison.SIZE), people=6, photos=4, preferred=10)
parts = comparison.Parts.from_faces(faces, seed)
if preset == "smoke":
    parts = parts.first_people(6)
measurable = comparison.measurable_figures(parts, seed)
for figure in set(comparison.FIGURES) - set(measurable):
    print(f"{figure} is left out: 3 enrolled people and 100 photographs of 3 others or more are needed")
for role in ("train", "known", "strangers"):
    run.record_data(role, getattr(parts, role))
pd.DataFrame({role: {"photographs": len(part), "people": len(part.people)} for role, part in vars(parts).items()}).T

# %% [markdown]
# ## The rules
#
# A chart of methods compares everything in which they differ. So only the method may differ:
#
# - **The same faces.** Half of the people are for training, with 70 % of their photographs; renderings of one photograph stay
#   together.
# - **The same network**, a ResNet-10, from the same weights, with the same augmentation.
# - **The same budget:** the number of views that go through the network. A method that compares two views of a photograph
#   sees half as many photographs. The rest of each recipe is that of its own notebook, where it was chosen on other splits;
#   VCL's learning rate is lower than there.
# - **The same questions**, answered by cosine, whatever the loss in training:
#     - *closed set:* other photographs of the training people, identified by the nearest training photograph (rank 1);
#     - *verification:* pairs of photographs of strangers, equal error rate (EER);
#     - *open set:* half of the strangers are enrolled with three photographs each. The measure is the share of searches for
#       them that fail (FNIR) at a threshold where one in ten searches for the other strangers gives a false alarm (FPIR
#       10 %).
# - **For comparison:** raw pixels, whitened PCA and the untrained network, which need no training of a network; and SFace,
#   which needed millions of photographs.

# %%
budget = views or run.choose(1_000, comparison.BUDGET, 10 * comparison.BUDGET)
plans = {
    name: comparison.plan_for_budget(contender, len(parts.train), budget, seed)
    for name, contender in comparison.CONTENDERS.items()
}
pd.DataFrame(
    {
        name: {
            "labels": "names" if contender.learns_names else "none",
            "views of a photograph": contender.views,
            "batch": plans[name].batch_size,
            "epochs": plans[name].epochs,
            "second view": ("the same rendering", "another rendering")[contender.scenes] if contender.views > 1 else "",
        }
        for name, contender in comparison.CONTENDERS.items()
    }
).T

# %% [markdown]
# Two of the columns need a remark. *Second view:* a method that learns without names needs two views of a face that differ
# only in what should not matter. On `orl-wild` it gets them from two renderings of one photograph (as in notebooks 04, 05, 06
# and 09), which tell it that both show the same moment, and nothing more. *Batch:* a batch of 32 photographs contains few
# strangers to push away; the batches of the papers contain hundreds. A method that needs large batches is at a disadvantage
# here.
#
# ## One run
#
# Three methods are trained here, one of each family; the parameters can name others. Intervals are over people, as always.

# %%
draws = run.choose(100, 200, 1000)
found = {}
ways = comparison.fit_baselines(parts, seed) | {
    comparison.CEILING: comparison.load_sface(datasets.load(dataset, comparison.CEILING_SIZE))
}
for name, embed in ways.items():
    found[name] = comparison.measure(embed, parts, seed, draws)
trainings = {
    name: comparison.new_training(contender, parts.train, budget, seed, run.folder(name))
    for name, contender in live.items()
}
fit_all(trainings)  # on several cores at once where that saves time
for name, training in trainings.items():
    found[name] = comparison.measure(partial(embed_faces, training.method), parts, seed, draws)
for figure in measurable:
    for name, figures in found.items():
        run.record_metric(f"{figure}/{name}", figures[figure])

# %% tags=["nbval-ignore-output"]
charts = {title: {name: figures[title] for name, figures in found.items()} for title in measurable}
own = conclusions.student_results(records.find_records(runs_root() / "train"), faces, dataset, seed)
charts["EER of strangers"] |= own
figure = plots.interval_panels(charts, f"{dataset}: one network, {budget:,} views, one run; intervals over people")
plots.describe(
    figure, "Each panel is one question; in the first higher is better, in the others lower, since these are errors."
)
plt.show()
said = {title: {name: str(one).partition(", n")[0] for name, one in rows.items()} for title, rows in charts.items()}
pd.DataFrame(said).fillna("")

# %%
for figure in measurable:
    run.check_references(*(f"{figure}/{name}" for name in found))

# %% [markdown]
# Read this as what it is: one run, with twenty people of each kind. Where two intervals overlap widely, nothing follows. The
# tolerances in the lines above say how far another seed may move the same number.
#
# Why is the ceiling so close to the trained networks where pairs are compared? SFace embeds what its detector finds, as the
# service of notebook 10 does. On a picture in which YuNet finds no face it has no embedding. All comparisons with such a
# picture get the score 0, and decide no better than chance. How many photographs of the strangers are concerned?

# %%
embeddings = ways[comparison.CEILING](parts.strangers)
seen = embeddings.any(axis=1)
run.record_metric("SFace: no face found", evaluation.wilson((~seen).sum(), len(seen), unit="photographs"))
run.check_references("SFace: no face found")

# %% [markdown]
# **11.5** Guess before you run on: what is the EER of SFace (0 to 1) on the pairs in which a face was found on both
# photographs? You know its EER over all pairs from the table above, and the share of photographs without a face from the line
# above. In how many of the pairs is at least one face missing, and what happens to a genuine pair with the score 0?


# %%
def guess_eer_of_found_faces() -> float:
    """EER of SFace where a face is found, 0 to 1."""
    return ...


guess = labs.predict(exercises.GUESS_EER_OF_FOUND_FACES, guess_eer_of_found_faces)

# %%
clear = parts.strangers.subset(np.flatnonzero(seen))
pairs = unseen_people.verification_pairs(clear)
of_clear = evaluation.cosine_scores(embeddings[seen], pairs)
run.record_metric(
    "EER of strangers/SFace, where a face is found",
    evaluation.verification_estimates(of_clear, pairs, clear.identity, (), draws, seed)["eer"],
)
run.check_references("EER of strangers/SFace, where a face is found")

# %% tags=["nbval-ignore-output"]
for name in ("SFace: no face found", "EER of strangers/SFace, where a face is found"):
    print(f"{name:46} {run.record.metrics[name]}")
guess.compare(run.record.metrics["EER of strangers/SFace, where a face is found"])

# %% [markdown]
# ## All methods, five seeds
#
# One run is not enough, and three methods are not all. Here is the record of twelve methods with the same budget and five
# seeds. The intervals are Student's, over the seeds: a seed changes which photographs are in training, the weights, the order
# and the views. The people are the same for all seeds, so these intervals are narrow, and they do not say what twenty other
# people would give. That is said by the intervals of the first chart.

# %%
record = records.read_record(project_data("results", "11_comparison.json"))
print(record.command)
names = [*ways, *comparison.CONTENDERS]
figure = plots.interval_panels(
    {title: {name: record.metrics[f"{title}/{name}"] for name in names} for title in comparison.FIGURES},
    f"orl-wild: one network, {record.parameters['views']:,} views; mean of {record.parameters['seeds']} seeds",
)
plots.describe(
    figure, "All methods with five seeds, one panel for each question, beside the baselines and the ceiling."
)
run.save_figure(figure)
plt.show()

# %% [markdown]
# Which methods are ahead of whitened PCA, which learns a covariance and no network? Each method is compared within each seed,
# where the photographs are the same. These are nearly forty comparisons: tested at the 5 % level one by one, two would be
# "found" among methods that are equal. So all comparisons of a table are tested together by Holm's procedure (exercise 11.3).
# With a chance of at least 95 % no filled cell is wrong, as far as the choice of seeds goes. An empty cell means: not
# certain.

# %%
named = [name for name, contender in comparison.CONTENDERS.items() if contender.learns_names]
trained = ["random network", *comparison.CONTENDERS]
conclusions.significance_table(record, "whitened PCA", trained)

# %% [markdown]
# Which of the methods that use names are ahead of softmax, which is cross-entropy with nothing added?

# %%
conclusions.significance_table(record, "softmax", [name for name in named if name != "softmax"])

# %%
less = {
    title: {name: record.metrics[f"{title}/{name} less whitened PCA"] for name in trained}
    for title in comparison.FIGURES
}
figure = plots.interval_panels(
    less, "less whitened PCA: ahead is to the right for the closed set, to the left for errors"
)
for axes in figure.axes:
    axes.axvline(0, color="grey", linestyle=":")
    axes.set(xlabel="points")
plots.describe(
    figure,
    "Differences from whitened PCA within each seed; an interval that touches the line at 0 shows no certain one.",
)
plt.show()

# %% [markdown]
# ## What it costs
#
# A view costs nearly the same with every method, so a budget of views is nearly a budget of time. Larger batches take
# somewhat less, and MoCo takes least, since half of its views go through the network without a gradient. Otherwise the
# methods differ in their heads: in the number of weights, and in what is computed for every pair of a batch. After training
# all heads are thrown away, and an embedding costs the same for all. The times are those of the record, divided by the time
# of softmax with the same seed, on one core beside another training:

# %%
rows = {}
for name, contender in comparison.CONTENDERS.items():
    method = comparison.build_untrained(contender, parts.train, plans[name])
    time = record.metrics[f"{comparison.COST}/{name}"]
    rows[name] = {
        "names needed": "yes" if contender.learns_names else "no",
        "weights trained": f"{sum(one.numel() for one in method.parameters() if one.requires_grad):,}",
        "time of training": f"{time.value:.2f} [{time.low:.2f}, {time.high:.2f}]",
    }
pd.DataFrame(rows).T

# %% [markdown]
# One cost is in no column: the names. Somebody wrote them down, and the people on the photographs were asked for consent, or
# were not.
#
# ## On LFW
#
# The course has measured most methods on View 2 of LFW too, each by the recipe of its notebook, with nobody of a tested fold
# in training. The budgets are *not* the same there. So this is no second comparison; it shows whether the order is similar
# where there are thousands of people with few photographs each. Pixels, PCA and the methods without names have the mirror
# image too, and the latter are whitened (notebook 04):

# %%
lfw = conclusions.lfw_accuracies()
title = "intervals over seeds; of pixels and PCA over folds"
figure = plots.intervals({"": lfw}, "accuracy on View 2 of LFW, per cent", title, chance=0.5)
plots.describe(figure, "Methods without names lie about whitened PCA, those with names well above.")
plt.show()
pd.Series({name: str(one) for name, one in lfw.items()}, name="LFW View 2").to_frame()

# %% [markdown]
# ## On CIFAR-10
#
# How much do labels tell that the photographs do not? On CIFAR-10 one network learned both ways: without labels in notebook
# 05, where a linear probe is fitted to its features with all labels afterwards, and with all labels from the start in notebook
# 07. With labels it learned for less time, about two and a half processor minutes. (There it is also asked about the mirror
# image of each photograph, which helps a little.)

# %%
figure = plots.intervals(
    conclusions.cifar_accuracies(), "accuracy on CIFAR-10's test, per cent, over seeds", chance=0.1
)
plots.describe(figure, "What learned without labels lies between the random start and what learned with them.")
plt.show()

# %% [markdown]
# ## What the earlier projects reported
#
# The founding project ended in a chart of its methods: top-1 accuracy on 44 people before a camera (GTAV), without intervals.
# Here it is beside the same three methods of ours, on other faces, with fewer people, and trained for a small part of the
# time. Compare the order of the methods, never the values:

# %%
theirs = {
    name: evaluation.Estimate(one.value, one.value, one.value, 0, "none")
    for name, one in conclusions.founding_accuracies().items()
}
closed = {name: record.metrics[f"closed set, rank 1/{name}"] for name in theirs}
figure = plots.interval_panels({"theirs: GTAV, top-1": theirs, "ours: orl-wild, closed set, rank 1": closed})
plots.describe(figure, "Three methods as the founding project reported them, without intervals, and as measured here.")
plt.show()

# %% [markdown]
# The table lists what the earlier projects and the papers of this course reported, each by its own protocol. Rows of one
# project can be compared with each other where it changed one thing at a time. Rows of different projects cannot.

# %%
founding = pd.read_csv(project_data("founding.csv")).query(
    "metric in ('top1', 'accuracy', '1 % of labels', '10 % of labels')"
)
founding = founding[~founding["data"].isin(["GTAV no-occlusion", "GTAV frontal"])]
founding.assign(value=(100 * founding["value"]).round(2)).rename(columns={"value": "per cent"}).reset_index(drop=True)

# %% [markdown]
# ## Yours
#
# A training of your own leaves a record. If nobody of the test was in it, it appears in the chart of the first run the next
# time that you run this notebook, as a row "yours":
#
# ```
# facelab train margin --people unseen -p loss=arcface --epochs 60
# ```
#
# The same seed gives the same strangers. You choose the budget, so state it when you show the row: an epoch of `orl-wild` has
# 800 photographs. A method of your own is one file in `facelab/methods` and one line in `methods/registry.py`; then `facelab
# train` knows it by its name.

# %% tags=["nbval-ignore-output"]
for name, one in own.items():
    print(f"{name}: EER {one}")
if not own:
    print("none yet")

# %% [markdown]
# ## What to conclude, and what not
#
# - **There is no best method, only a best method for a question.** All methods that use names, except SupCon, are far ahead
#   of whitened PCA where photographs of the training people are identified, and where pairs of strangers are compared. Where
#   a stranger must *not* be found among the enrolled people, none of them is certainly ahead of PCA, and most are behind. An
#   EER depends on the middle of all scores; an open-set error depends on the few highest scores of the wrong people. A
#   network that was taught twenty people gives a stranger nearly the same place as the one of the twenty that the stranger
#   resembles. So measure what your application asks.
# - **Names are worth more than the loss that uses them.** On known people, softmax and the methods without names differ by
#   tens of points, and softmax and its variants with margins and centers by a few. In verification softmax is about seven to
#   thirteen points ahead of the methods without names, and its variants differ from it by one point at most. (SupCon lies
#   between the two groups.) In the open set it is not so: there CosFace differs from softmax by more than SimCLR does.
#   Against softmax these differences are certain: CNN + MLP (measured by its features, not by its head) is behind on known
#   people and ahead on the open set, ArcFace is ahead on the open set, and SupCon is behind on known people and in
#   verification.
# - **Without names, a covariance is hard to beat on so few photographs.** Two renderings of one moment teach a network what
#   does not matter, but not what distinguishes people. SimCLR, VICReg and MoCo were made for the batches, the epochs and the
#   millions of photographs of their papers. Nothing here says what they achieve with them.
# - **SupCon stays behind what it reached in notebook 03**, where it had twice the views. One budget for all is the same
#   budget, but it does not suit every method equally. A curve over budgets would say more than a single one.
# - **The ceiling comes from data.** SFace is a small network too (MobileFaceNet). Millions of photographs, of people who were
#   not asked, make the difference on the open set, and it is larger than that between any two losses. Where SFace is not
#   ahead, look at its detector first.
#
# Not to conclude: an order of the methods. The recipes were chosen in their notebooks with unequal care. Batches differ (VCL
# has twice the steps of SimCLR here; in notebook 09, with the same number of steps, it is not ahead). Five seeds are not five
# groups of people. And on the papers' data the order of the papers may well hold. What carries over is how to compare: one
# budget, the same faces, baselines that learn nothing, differences within a seed, and a correction for the number of
# comparisons.
#
# ## Exercises
#
# Replace each `...`. The check says what is missing or wrong; the notebook goes on with the reference in any case.
#
# **11.1** One budget for all. How many epochs come nearest to `budget` views? Each epoch takes `photographs` in full batches
# of `batch_size` (photographs that do not fill a batch are left out), and every photograph gives `views` views. Return one
# epoch at least.


# %%
def epochs_for_budget(budget: int, photographs: int, batch_size: int, views: int) -> int:
    """A whole number, 1 or more."""
    return ...


epochs_for_budget = labs.check_answer(exercises.EPOCHS_FOR_BUDGET, epochs_for_budget)

# %% [markdown]
# **11.2** Two methods have one figure for each seed, `first` and `second`, (n,) each, in the same order of seeds. Return the
# 95 % interval of the mean of `first - second` by Student's t (`stats.t.ppf`).


# %%
def paired_difference_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The lower and the upper end."""
    return ...


paired_difference_interval = labs.check_answer(exercises.PAIRED_DIFFERENCE_INTERVAL, paired_difference_interval)

# %% [markdown]
# **11.3** Holm's procedure. Start with the smallest p value and go on in rising order. Compare each p value with `level`
# divided by the number of comparisons that are left. The first p value that is larger ends the procedure: it and all after it
# are not significant.


# %%
def significant_comparisons(p_values: np.ndarray, level: float) -> np.ndarray:
    """bool (m,), in the order of the given p values."""
    return ...


significant_comparisons = labs.check_answer(exercises.SIGNIFICANT_COMPARISONS, significant_comparisons)

# %% [markdown]
# **11.4** The front of error and cost. $M$ methods were run with the same $S$ seeds, and each run has an error and a cost,
# both better where they are lower. Method $A$ *certainly dominates* method $B$ if both its error and its cost are certainly
# less:
#
# - For each ordered pair $(A, B)$ and each of the two figures, test the differences within each seed by a one-sided paired t
#   test (`stats.ttest_rel` with `alternative="less"`, or by hand with `stats.t.sf`): a small p value says that $A$ has less.
# - Both must hold, so the p value of the pair is the *larger* of its two.
# - There are $M (M - 1)$ ordered pairs. Put all their p values through Holm's procedure at `level` (`evaluation.holm`, or
#   your answer to 11.3). Where the p value of $(A, B)$ is significant, $B$ is dominated.
#
# Return which methods are on the front: those that no other method certainly dominates.


# %%
def pareto_front(error: np.ndarray, cost: np.ndarray, level: float) -> np.ndarray:
    """bool (M,), True on the front; ``error`` and ``cost`` are (M, S)."""
    return ...


pareto_front = labs.check_answer(front_exercises.PARETO_FRONT, pareto_front)

# %% [markdown]
# ## References
#
# - S. Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, Scandinavian Journal of Statistics 6, 1979.
# - K. Musgrave, S. Belongie, S.-N. Lim, *A Metric Learning Reality Check*, ECCV 2020, arXiv 2003.08505: years of new losses,
#   compared under one protocol.
# - R. Berger, *Multiparameter Hypothesis Testing and Acceptance Sampling*, Technometrics 24, 1982: two tests that must both
#   hold.
# - X. Bouthillier et al., *Accounting for Variance in Machine Learning Benchmarks*, MLSys 2021, arXiv 2103.03098.
# - P. Grother, M. Ngan, K. Hanaoka, *Face Recognition Vendor Test*, NISTIR 8271: open-set searches, FPIR and FNIR.
# - Y. Zhong, W. Deng, J. Hu, D. Zhao, X. Li, D. Wen, *SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face
#   Recognition*, IEEE TIP 2021, arXiv 2205.12010.
# - The papers of the methods: notebooks 02 to 09.

# %% tags=["nbval-ignore-output"]
run.finish()
