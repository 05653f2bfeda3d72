# %% [markdown]
# # 00 Start here
#
# In this notebook real faces go in and an honest number comes out. You will meet the photographs, the frame that all
# notebooks share, and the three habits that the course stands on: a baseline, an interval, and a test that holds
# nobody from the training.
#
# ![Forty people, and what plain pixels know of them](../figures/00_start_here.png)
#
# ## What you will learn
#
# - How a notebook of this course is run, with which parameters, and where its results go.
# - What the photographs are, what may be done with them, and who is on them.
# - How two photographs are compared, and what a score says about "the same person".
# - Why a rate without its interval is half a result, and how people leak from training into test.
#
# **Time:** about half a minute on two cores. **You need first:** Python with NumPy. No GPU, no account, no download.
# **Your own photographs** (`-p dataset=folder:PATH`): 5 people with 2 photographs each, or more.
#
# ## Parameters
#
# Every notebook has one cell like the next. A preset chooses sizes: `smoke` is the quick look, `laptop` is what you
# see stored here, `paper` is the papers' data and settings, for a GPU. From the command line: `facelab run 00
# --preset smoke -p seed=1`. A name that a notebook does not have, or a value of the wrong type, is refused before
# anything runs.

# %% tags=["parameters"]
preset: str = "laptop"  # smoke: seconds; laptop: the stored one; paper: larger pictures
dataset: str = "orl-wild"  # any data set with identities: facelab data list
seed: int = 0  # decides which people are shown and which are compared

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from facelab import datasets, labs, plots
from facelab.datasets import catalog
from facelab.datasets.leakage import assert_disjoint
from facelab.datasets.pairs import all_pairs
from facelab.datasets.splits import identity_disjoint_split, stratified_split
from facelab.errors import LeakageError
from facelab.evaluation import BASELINES, cosine_scores, roc, verification_estimates, wilson
from facelab.exercises import chapter_00 as exercises

run = labs.begin("00_start_here", preset=preset, dataset=dataset, seed=seed)
faces = labs.require_people(datasets.load(dataset, run.choose(32, 64, 112)), people=5, photos=2)
run.record_data("faces", faces)
faces

# %% [markdown]
# ## The photographs
#
# ORL: 40 people who worked in or near the Olivetti Research Laboratory in Cambridge, ten photographs each, taken
# between 1992 and 1994. It comes inside a package that the course depends on, and may be used freely with credit
# (Olivetti Research Laboratory / AT&T Laboratories Cambridge). One row is one person.

# %%
orl = datasets.load("orl", 64)
sample = np.random.default_rng(seed).permutation(orl.people)[:3]
plots.show_faces(np.concatenate([orl.select_people([person]).images for person in sample]), columns=10, zoom=1.2)

# %% [markdown]
# They sat still before a dark wall in even light. Nobody who opens a phone does. So the course works on `orl-wild`:
# each of the 400 photographs, rendered four times under conditions as one meets them, and every condition is a column
# of a table. The photographs are real, the conditions are simulated; it is always named so.

# %%
wild = datasets.load("orl-wild", 64)
plots.show_faces(np.concatenate([wild.select_people([person]).images[::4] for person in sample]), columns=10, zoom=1.2)

# %%
wild.attributes.loc[[0, 1, 2, 3], ["file", "turn_degrees", "shadow", "occlusion", "blur_sigma", "noise_sigma"]]

# %% [markdown]
# A data set travels as one object: pixels, who is on each photograph, a table of what is known of it, and a hash of
# the pixels. The hash is the same on every machine, so that two people who compare results know that they looked at
# the same thing.

# %%
print(wild)
print(
    "images",
    wild.images.dtype,
    wild.images.shape,
    "| identity",
    wild.identity[:5],
    "... | SHA-256",
    wild.sha256[:16],
    "...",
)

# %% [markdown]
# ### Faces are people
#
# A face is personal data of a special kind: it identifies, and it cannot be changed when it has leaked. Three rules
# follow for engineers, and this course keeps them in its code. **Consent**: photographs are used under the terms
# under which they were given, which stand beside each data set; the course shows no face of a data set whose terms do
# not allow it. **Less is more**: where a template will do, no photograph is kept, and what is deleted is deleted.
# **For whom does it fail?** Error rates are given by group, with intervals, since an average hides who pays for it.
# ORL has 36 men and 4 women, colleagues of one laboratory: nothing measured on it says much about anybody else.
#
# What this course can read, and what each set's terms say:

# %%
terms = {source.name: (source.facts, source.license) for source in catalog.all_sources()}
pd.set_option("display.max_colwidth", 90)
pd.DataFrame.from_dict(terms, orient="index", columns=["what", "licence and terms"])

# %% [markdown]
# ## Comparing two photographs
#
# To a computer a photograph is a long row of numbers. Take away its mean, and compare two rows by the cosine of the
# angle between them: 1 means the same direction, 0 nothing in common.
#
# $$s(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}$$
#
# Do that for all pairs of photographs of some people, and draw the scores of pairs that show one person beside those
# that show two.

# %%
halves = identity_disjoint_split(faces, train=len(faces.people) // 2, seed=seed)
train, test = faces.subset(halves.train), faces.subset(halves.test)
if preset == "smoke":
    test = test.select_people(test.people[:6])
pairs = all_pairs(test, exclude_same="photo" if "photo" in test.attributes else None)
compared = {name: cosine_scores(baseline(train.images)(test.images), pairs) for name, baseline in BASELINES.items()}
pixel = compared["raw pixels"]
figure = plots.score_histograms(pixel[pairs.same], pixel[~pairs.same], title="raw pixels")
plt.show()

# %% [markdown]
# The two hills nearly cover each other. A threshold decides what is called one person, and wherever it stands, it
# makes two kinds of error: strangers are accepted (false match), or the same person is refused (false non-match).
# Move it, and one falls while the other rises:

# %%
curves = {name: roc(values, pairs.same) for name, values in compared.items()}
plots.det_curves({name: (curve.fmr, 1 - curve.tmr) for name, curve in curves.items()}, "People never seen in training")
plt.show()

# %% [markdown]
# One number for a curve: the *equal error rate* (EER), where both errors are equally frequent. 50 % is guessing.
# Whitened PCA (eigenfaces, 1991) finds the directions in which faces of the training people differ and weighs them
# equally. It knows none of the people that it is tested on here.

# %%
for name, values in compared.items():
    figures = verification_estimates(values, pairs, test.identity, draws=run.choose(100, 1000, 1000), seed=seed)
    run.record_metric(f"eer/{name}", figures["eer"])

# %% tags=["nbval-ignore-output"]
for name in compared:
    print(f"{name:14} EER {run.record.metrics[f'eer/{name}']} people")

# %%
run.check_references("eer/raw pixels", "eer/whitened PCA")

# %% [markdown]
# These two lines are how the course keeps its word. `run.check_references` compares what was just measured with a stored
# reference, measured over several seeds, and says whether it holds within the tolerance. The measured value itself
# goes to a record, with its interval, the parameters, the versions and the hash of the data: `facelab leaderboard`
# shows them all. No number is typed into the text.
#
# These are the baselines. Every method of the course has to beat them, and will be shown beside them.

# %%
sheet = plots.face_sheet(wild.images[:: len(wild) // 40][:40], columns=10)
overview, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=(1.5, 1))
left.imshow(sheet)
left.set_axis_off()
for name, curve in curves.items():
    right.plot(curve.fmr, 1 - curve.tmr, label=name)
right.plot([0, 1], [0, 1], ":", color="grey", label="equal error rate")
right.set(xlabel="strangers accepted", ylabel="same person refused", title="before any learning")
right.legend()
if dataset == "orl-wild":
    run.save_figure(overview)
plt.close(overview)

# %% [markdown]
# ## A rate without its interval is half a result
#
# One of the projects that this course grew from reported 80 % on its smallest set: 87 of 109 test photographs. Had it
# drawn other photographs of the same people, what might it have found? Wilson's interval tells which true rates would
# not be surprised by 87 of 109:

# %%
print(wilson(87, 109, unit="photographs"))
print(wilson(870, 1090, unit="photographs"))
plots.intervals(
    {"": {f"{round(0.8 * n)} of {n}": wilson(round(0.8 * n), n) for n in (10, 30, 109, 300, 1000, 10000)}},
    "rate, per cent",
)
plt.show()

# %% [markdown]
# The project compared 80 with 87 and 89 % and saw a trend; the interval of the first holds 85. With ten times the
# photographs the interval is about a third as wide: precision costs with the square.
#
# ## A test that holds nobody from the training
#
# Choose the threshold on people whom you test, and the figure flatters. Train on people whom you test, and it lies.
# The course asserts it instead of advising it:

# %%
assert_disjoint(train, test)
print("train and test share nobody, no file, no picture and no near-duplicate")
by_photo = stratified_split(faces, train=0.7, seed=seed)
try:
    assert_disjoint(faces.subset(by_photo.train), faces.subset(by_photo.test), kinds=("identity",))
except LeakageError as error:
    print("a split by photograph:", error.problem)

# %% [markdown]
# ## On LFW
#
# The offline photographs are enough to learn from; the papers' data are one parameter away. Put LFW below the folder
# that `FACELAB_DATA` names (`facelab data info lfw` says how), and `facelab run 02 -p dataset=lfw` runs the next lab
# on it. Notebooks show such results from stored records, with the command that made them, so that you see them
# without the data.
#
# ## Exercises
#
# Replace each `...`. The check says what is missing or what is wrong and why; the notebook goes on with the reference
# in any case, so it always runs to its end.
#
# **0.1** The cosine of each row of `a` with the same row of `b`.


# %%
def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, D) and (N, D) to (N,)."""
    return ...


cosine_similarity = labs.check_answer(exercises.COSINE_SIMILARITY, cosine_similarity)

# %% [markdown]
# **0.2** The people who are in both sets. `-1` stands for "not known".


# %%
def people_on_both_sides(train: np.ndarray, test: np.ndarray) -> list:
    """Sorted numbers of the people in both, each once."""
    return ...


people_on_both_sides = labs.check_answer(exercises.PEOPLE_ON_BOTH_SIDES, people_on_both_sides)

# %% [markdown]
# ## References
#
# - F. Samaria, A. Harter, *Parameterisation of a Stochastic Model for Human Face Identification*, WACV 1994: ORL.
# - M. Turk, A. Pentland, *Eigenfaces for Recognition*, Journal of Cognitive Neuroscience 3, 1991.
# - E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 22, 1927.
# - ISO/IEC 19795-1, *Biometric performance testing and reporting*: false match, false non-match.

# %% tags=["nbval-ignore-output"]
run.finish()
