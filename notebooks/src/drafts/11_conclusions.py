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
#
# ## Parameters

# %% tags=["parameters"]
preset: str = "laptop"  # smoke: seconds; laptop: the stored one; paper: ten times the budget
dataset: str = "orl-wild"  # orl-wild or orl; or any other with ten photographs a person
seed: int = 0  # of split, weights, order and intervals
views: int = 0  # budget of each training; 0: the preset's

# %%
import matplotlib.pyplot as plt
import pandas as pd

from facelab import datasets, labs, plots, records
from facelab.labs import closed_set, comparison
from facelab.methods import embed_faces
from facelab.paths import own_data, runs_root

run = labs.begin("11_conclusions", preset=preset, dataset=dataset, seed=seed, views=views)
faces = closed_set.with_photos(datasets.load(dataset, comparison.SIZE), 10)
parts = comparison.Parts.of(faces, seed)
for role in ("train", "known", "strangers"):
    run.data(role, getattr(parts, role))
pd.DataFrame({role: {"photographs": len(part), "people": len(part.people)} for role, part in vars(parts).items()}).T

# %% [markdown]
# ## The rules
#
# - **The same faces.** Twenty people train, by 70 % of their photographs; renderings of one photograph stay together.
# - **The same network**, a ResNet-10, from the same weights, with the same augmentation.
# - **The same budget:** views that go through the network. A method that compares two views of a photograph sees half as many
#   photographs. The rest of each recipe is that of its own notebook.
# - **The same questions**, by cosine, whatever the method learned by:
#     - *closed set:* other photographs of the twenty, by the nearest training photograph;
#     - *verification:* pairs of photographs of twenty strangers, equal error rate;
#     - *open set:* ten of the strangers are enrolled with three photographs; how many searches for them fail where one of ten
#       other strangers raises an alarm.
# - **Beside it:** raw pixels, whitened PCA, and the network before it learned, which cost nothing; and SFace, which cost
#   millions of photographs.

# %%
budget = views or run.choose(1_000, 8_000, 80_000)
plans = {name: comparison.plan_of(rival, len(parts.train), budget, seed) for name, rival in comparison.RIVALS.items()}
pd.DataFrame(
    {
        name: {
            "method": rival.method,
            "labels": "names" if rival.names else "none",
            "views of a photograph": rival.views,
            "epochs": plans[name].epochs,
            "second view": "another rendering" if rival.scenes else "the same" if rival.views == 2 else "",
        }
        for name, rival in comparison.RIVALS.items()
    }
).T

# %% [markdown]
# ## One run
#
# Intervals are over people, as in the notebooks before.

# %%
draws = run.choose(100, 300, 1000)
found, seconds = {}, {}
ways = comparison.without_training(parts, seed) | {
    comparison.CEILING: comparison.pretrained(datasets.load(dataset, 112))
}
for name, embed in ways.items():
    found[name] = comparison.measured(embed, parts, seed, draws)
for name, rival in comparison.RIVALS.items():
    method, seconds[name] = comparison.trained(rival, parts.train, budget, seed)
    found[name] = comparison.measured(lambda some, method=method: embed_faces(method, some), parts, seed, draws)
for figure in comparison.FIGURES:
    for name, figures in found.items():
        run.metric(f"{figure}/{name}", figures[figure])
    run.check(*(f"{figure}/{name}" for name in found))

# %%
charts = {title: {name: figures[title] for name, figures in found.items()} for title in comparison.FIGURES}
for record in records.find(runs_root() / "train"):  # yours
    if record.parameters["people"] == "unseen" and record.parameters["dataset"] == dataset:
        method = record.parameters["method"]
        charts["EER of strangers"][f"yours: {method}"] = record.metrics[f"eer/{method}"]
figure = plots.interval_panels(charts, f"{dataset}: one network, one budget of {budget:,} views, intervals over people")
run.save_figure(figure)
plt.show()

# %% [markdown]
# ## What it costs

# %% tags=["nbval-ignore-output"]
base = seconds["CNN + MLP"]
pd.DataFrame({name: {"seconds of training, CNN + MLP = 1": f"{value / base:.2f}"} for name, value in seconds.items()}).T

# %% [markdown]
# ## Five seeds, three times the budget
#
# One run is an anecdote. Here is the record of five, with Student's intervals over the seeds, and each method less whitened
# PCA within a seed:

# %%
record = records.read(own_data("results", "11_comparison.json"))
print(record.command)
names = list(dict.fromkeys(key.split("/")[1] for key in record.metrics if "less" not in key))
plots.interval_panels(
    {title: {name: record.metrics[f"{title}/{name}"] for name in names} for title in comparison.FIGURES},
    f"orl-wild, {record.parameters['views']:,} views, {record.parameters['seeds']} seeds",
)
plt.show()
better = {"closed set, rank 1": 1, "EER of strangers": -1, "FNIR at FPIR 10 %": -1}
for title, sign in better.items():
    ahead, behind = [], []
    for name in names:
        less = record.metrics.get(f"{title}/{name} less whitened PCA")
        if less is not None and less.low > 0 or less is not None and less.high < 0:
            (ahead if less.value * sign > 0 else behind).append(name)
    print(f"{title}: ahead of whitened PCA: {', '.join(ahead) or 'none'}; behind: {', '.join(behind) or 'none'}")

# %% [markdown]
# ## What the earlier projects reported
#
# Theirs, on their data and by their protocols, never to be put into one row with ours:

# %%
founding = pd.read_csv(own_data("founding.csv"))
founding.assign(value=(100 * founding["value"]).round(1)).query(
    "metric in ('top1', 'accuracy', '1 % of labels')"
).rename(columns={"value": "per cent"}).reset_index(drop=True)

# %% [markdown]
# ## Yours
#
# What you train yourself on people of whom none is in the test leaves a record, and stands in the chart of the first run the
# next time that this notebook runs. Its budget is yours, and written in the record:
#
# ```
# facelab train margin --people unseen -p loss=arcface --epochs 60
# ```
#
# ## What to conclude, and what not
#
# (to be written when the record is measured)
#
# ## References
#
# Those of notebooks 02 to 10.

# %% tags=["nbval-ignore-output"]
run.finish()
