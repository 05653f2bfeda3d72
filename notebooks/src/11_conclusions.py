# %% [markdown]
# # 11 Conclusions: every method on the same faces
#
# Ten notebooks, each with its own budget and its own question. Here all methods get the same faces, the same budget and the
# same three questions, beside what needs no training and what can be had at best. And there is a place for yours.
#
# ![Every method, three questions, with intervals](../figures/11_conclusions.png)
#
# ## What you will learn
#
# - To compare methods so that only the method differs.
# - That one method can be ahead at one question and behind at another.
# - What twenty people can tell apart, and what they cannot.
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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from facelab import datasets, evaluation, labs, plots, records
from facelab.exercises import chapter_11 as exercises
from facelab.experiments import comparison
from facelab.experiments.analysis import conclusions
from facelab.methods import embed_faces
from facelab.paths import project_data, runs_root
from facelab.protocols import unseen_people

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
# A chart that compares methods compares everything in which they differ. So only the method may differ:
#
# - **The same faces.** Half of the people train, with 70 % of their photographs; renderings of one photograph stay together.
# - **The same network**, a ResNet-10, from the same weights, with the same augmentation.
# - **The same budget:** views that go through the network. A method that compares two views of a photograph sees half as many
#   photographs. The rest of each recipe is that of its own notebook, where it was chosen on other splits than this one.
# - **The same questions**, by cosine, whatever the method learned by:
#     - *closed set:* other photographs of the people who trained, by the nearest training photograph;
#     - *verification:* pairs of photographs of strangers, equal error rate;
#     - *open set:* half of the strangers are enrolled with three photographs each; how many searches for them fail where one
#       in ten other strangers raises an alarm.
# - **Beside it:** raw pixels, whitened PCA, and the network before it learned, which need no training; and SFace, which needed
#   millions of photographs.

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
# Two of the columns are worth a look. Who learns without names needs two views that differ in what should not matter, and on
# `orl-wild` gets them from two renderings of one photograph, as in notebooks 04, 05, 06 and 09: it is told that these show one
# moment, nothing more. And a batch of 32 photographs has few strangers in it to push away; the papers have hundreds. What a
# method loses for want of a large batch it loses here too.
#
# ## One run
#
# Three of them train here, one of each family; name others in the parameters. Intervals are over people, as ever.

# %%
draws = run.choose(100, 200, 1000)
found = {}
ways = comparison.fit_baselines(parts, seed) | {
    comparison.CEILING: comparison.load_sface(datasets.load(dataset, comparison.CEILING_SIZE))
}
for name, embed in ways.items():
    found[name] = comparison.measure(embed, parts, seed, draws)
for name, contender in live.items():
    method, _ = comparison.train(contender, parts.train, budget, seed)
    found[name] = comparison.measure(lambda some, method=method: embed_faces(method, some), parts, seed, draws)
for figure in measurable:
    for name, figures in found.items():
        run.record_metric(f"{figure}/{name}", figures[figure])

# %% tags=["nbval-ignore-output"]
charts = {title: {name: figures[title] for name, figures in found.items()} for title in measurable}
own = conclusions.student_results(records.find_records(runs_root() / "train"), faces, dataset, seed)
charts["EER of strangers"] |= own
plots.interval_panels(charts, f"{dataset}: one network, {budget:,} views, one run; intervals over people")
plt.show()
said = {title: {name: str(one).partition(", n")[0] for name, one in rows.items()} for title, rows in charts.items()}
pd.DataFrame(said).fillna("")

# %%
for figure in measurable:
    run.check_references(*(f"{figure}/{name}" for name in found))

# %% [markdown]
# Read it as it is: one run, and twenty people of each kind. Where two intervals lie on each other nothing follows, and a
# tolerance in the lines above says how far another seed may move the same point.
#
# And why is the ceiling so near the others where pairs are compared? SFace looks at what its detector finds, as the door of
# notebook 10 does. On a picture where YuNet finds no face it says nothing, and is then as wrong as a coin:

# %%
embeddings = ways[comparison.CEILING](parts.strangers)
seen = embeddings.any(axis=1)
clear = parts.strangers.subset(np.flatnonzero(seen))
pairs = unseen_people.verification_pairs(clear)
of_clear = evaluation.cosine_scores(embeddings[seen], pairs)
run.record_metric("SFace: no face found", evaluation.wilson((~seen).sum(), len(seen), unit="photographs"))
run.record_metric(
    "EER of strangers/SFace, where a face is found",
    evaluation.verification_estimates(of_clear, pairs, clear.identity, (), draws, seed)["eer"],
)
run.check_references("SFace: no face found", "EER of strangers/SFace, where a face is found")

# %% tags=["nbval-ignore-output"]
for name in ("SFace: no face found", "EER of strangers/SFace, where a face is found"):
    print(f"{name:46} {run.record.metrics[name]}")

# %% [markdown]
# ## All methods, five seeds
#
# One run is an anecdote, and three methods are not all. Here is the record of twelve with the same budget and five seeds, with
# Student's intervals over the seeds: other photographs in training, other weights, order and views. The people are the same
# in all of them, so these intervals are narrow, and say nothing of what twenty other people would give. That is what the
# intervals of the first chart are about.

# %%
record = records.read_record(project_data("results", "11_comparison.json"))
print(record.command)
names = [*ways, *comparison.CONTENDERS]
figure = plots.interval_panels(
    {title: {name: record.metrics[f"{title}/{name}"] for name in names} for title in comparison.FIGURES},
    f"orl-wild: one network, {record.parameters['views']:,} views; mean of {record.parameters['seeds']} seeds",
)
run.save_figure(figure)
plt.show()

# %% [markdown]
# Who is ahead of whitened PCA, which learns a covariance and no weights? Each method is compared within each seed, where the
# photographs are the same. And these are nearly forty comparisons: at 95 % each, two would be "found" among equals. So
# all of a table are tested together by Holm's procedure (exercise 11.3), and the table is right as a whole with a chance of
# 95 %, as far as the choice of seeds goes. An empty place says: not certain.

# %%
named = [name for name, contender in comparison.CONTENDERS.items() if contender.learns_names]
trained = ["random network", *comparison.CONTENDERS]
conclusions.significance_table(record, "whitened PCA", trained)

# %% [markdown]
# And who of those that know the names is ahead of softmax, cross-entropy with nothing added?

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
plt.show()

# %% [markdown]
# ## What it costs
#
# A view costs nearly the same whoever looks at it, so a budget of views is nearly one of time: somewhat less in larger
# batches, and least for MoCo, half of whose views go through the network without a gradient. What differs otherwise is the
# head: its weights, and what is done with every pair of a batch. After training all heads are thrown away, and one embedding
# costs the same for all. Times are of the record, over that of softmax with the same seed, on one core beside another
# training:

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
# A cost that no column shows: names. Somebody wrote them down, and somebody was asked, or was not.
#
# ## On LFW
#
# The course has measured most methods on View 2 of LFW too, each by the recipe of its notebook, with nobody of a tested fold
# in training. The budgets are *not* the same there, so this is no second comparison but a look at whether the order holds
# where people are thousands and photographs are few of each:

# %%
lfw = conclusions.lfw_accuracies()
title = "intervals over seeds; of pixels and PCA over folds"
plots.intervals({"": lfw}, "accuracy on View 2 of LFW, per cent", title, chance=0.5)
plt.show()
pd.Series({name: str(one) for name, one in lfw.items()}, name="LFW View 2").to_frame()

# %% [markdown]
# ## What the earlier projects reported
#
# The founding project ended in a chart of its methods, top-1 on 44 people before a camera (GTAV), without intervals. Here it is
# beside the same three of ours, on other faces, with fewer people, in a small part of the time. Compare the order, never a
# height:

# %%
theirs = {
    name: evaluation.Estimate(one.value, one.value, one.value, 0, "none")
    for name, one in conclusions.founding_accuracies().items()
}
closed = {name: record.metrics[f"closed set, rank 1/{name}"] for name in theirs}
plots.interval_panels({"theirs: GTAV, top-1": theirs, "ours: orl-wild, closed set, rank 1": closed})
plt.show()

# %% [markdown]
# All that the earlier projects and the papers of this course reported, each by its own protocol. Rows of one project can be
# compared with each other, where it changed one thing at a time; rows of two projects cannot.

# %%
founding = pd.read_csv(project_data("founding.csv")).query(
    "metric in ('top1', 'accuracy', '1 % of labels', '10 % of labels')"
)
founding = founding[~founding["data"].isin(["GTAV no-occlusion", "GTAV frontal"])]
founding.assign(value=(100 * founding["value"]).round(2)).rename(columns={"value": "per cent"}).reset_index(drop=True)

# %% [markdown]
# ## Yours
#
# Whatever you train yourself on people of whom none is in the test leaves a record, and stands in the chart of the first run
# the next time that this notebook runs, as a row "yours":
#
# ```
# facelab train margin --people unseen -p loss=arcface --epochs 60
# ```
#
# The same seed gives the same strangers. Its budget is your own, so say it when you show the row: an epoch of `orl-wild` is
# 800 photographs. A method of your own is one file in `facelab/methods` and one line in `methods/registry.py`, and
# `facelab train` knows it by its name.

# %% tags=["nbval-ignore-output"]
for name, one in own.items():
    print(f"{name}: EER {one}")
if not own:
    print("none yet")

# %% [markdown]
# ## What to conclude, and what not
#
# - **There is no best method, only a best one for a question.** All that train on names, but for SupCon, are far ahead of
#   whitened PCA where photographs of the people of the training are looked up, and where pairs of strangers are compared.
#   Where a stranger must *not* be found among the enrolled, none of them is certain to be ahead of it, and most are behind. An
#   EER is about the middle of all scores, an open set about the few highest ones of the wrong people; a network that was
#   taught twenty people gives strangers who look like one of them the same place. Ask the question of the door that you
#   build.
# - **Names are worth more than the loss that uses them.** Between softmax, its margins and its centers lie a few points, most
#   of them not certain; between those with names and those without, tens. What stands against softmax: plain CNN + MLP
#   (judged by its features, not by its head) is behind on known people and ahead on the open set, ArcFace is ahead on the
#   open set, and SupCon is behind.
# - **Without names, on so few photographs, a covariance is hard to beat.** Two renderings of one moment teach what does not
#   matter, but not what makes a person. SimCLR, VICReg and MoCo want the batches, the epochs and the millions of
#   photographs of their papers; nothing here says what they do with them.
# - **SupCon stays behind what it reached in notebook 03**, where it had twice the views. One budget for all is fair to the
#   budget, not to each method: a curve over budgets would say more than one column of it.
# - **The ceiling is data.** SFace is a small network too (MobileFaceNet). Millions of photographs, of people whom nobody asked,
#   make the difference on the open set, and it is larger than any between two losses. Where SFace is not ahead, look at its
#   detector first.
#
# Not to conclude: an order of the methods. The recipes were chosen in their notebooks with unequal care; batches differ
# (VCL has twice the steps of SimCLR here, and in notebook 09, with as many steps, it is not ahead); five seeds are no
# other people; and on the papers' data the order of their papers may well hold. What carries over is the way to ask: one
# budget, the same faces, baselines that learn nothing, differences within a seed, and all comparisons counted.
#
# ## Exercises
#
# Replace each `...`. The check says what is missing or wrong; the notebook goes on with the reference in any case.
#
# **11.1** One budget for all: how many epochs come nearest to `budget` views, if each epoch takes `photographs` in full batches
# of `batch_size` (what is left over is left out), and every photograph is looked at in `views` views? One epoch at least.


# %%
def epochs_for_budget(budget: int, photographs: int, batch_size: int, views: int) -> int:
    """1 or more."""
    return ...


epochs_for_budget = labs.check_answer(exercises.EPOCHS_FOR_BUDGET, epochs_for_budget)

# %% [markdown]
# **11.2** Two methods, one figure for each seed, (n,) each, in the same order of seeds. The 95 % interval of the mean of
# `first - second` by Student's t (`scipy.stats.t.ppf`).


# %%
def paired_difference_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The lower and the upper end."""
    return ...


paired_difference_interval = labs.check_answer(exercises.PAIRED_DIFFERENCE_INTERVAL, paired_difference_interval)

# %% [markdown]
# **11.3** Holm's procedure. From the smallest p on, compare each with `level` over the number of comparisons that are left; the
# first that is larger ends it, and it and all after it do not count.


# %%
def significant_comparisons(p_values: np.ndarray, level: float) -> np.ndarray:
    """bool (m,), in the order given."""
    return ...


significant_comparisons = labs.check_answer(exercises.SIGNIFICANT_COMPARISONS, significant_comparisons)

# %% [markdown]
# ## References
#
# - S. Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, Scandinavian Journal of Statistics 6, 1979.
# - K. Musgrave, S. Belongie, S.-N. Lim, *A Metric Learning Reality Check*, ECCV 2020, arXiv 2003.08505: what is left of years
#   of losses under one protocol.
# - X. Bouthillier et al., *Accounting for Variance in Machine Learning Benchmarks*, MLSys 2021, arXiv 2103.03098.
# - P. Grother, M. Ngan, K. Hanaoka, *Face Recognition Vendor Test*, NISTIR 8271: open-set searches, FPIR and FNIR.
# - Y. Zhong, W. Deng, J. Hu, D. Zhao, X. Li, D. Wen, *SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition*,
#   IEEE TIP 2021, arXiv 2205.12010.
# - The papers of the methods: notebooks 02 to 09.

# %% tags=["nbval-ignore-output"]
run.finish()
