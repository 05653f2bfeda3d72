# %% [markdown]
# # 00 Start here
#
# You will go from photographs of faces to an error rate that can be trusted. You will meet the photographs, the layout
# that all notebooks share, and three habits on which the course rests: a baseline beside every method, an interval beside
# every number, and test people who were not in training.
#
# ![Forty faces; beside them the error curves of raw pixels and of whitened PCA, far above zero](../figures/00_start_here.png)
#
# ## What you will learn
#
# - How a notebook of this course is run, with which parameters, and where its results go.
# - What the photographs are, what may be done with them, and who is in them.
# - How two photographs are compared, and how a threshold turns a score into a decision.
# - Why a rate needs an interval, and how people leak from the training set into the test set.
#
# **Time:** about half a minute on two cores. **You need first:** Python with NumPy. No GPU, no account, no download.
# **Your own photographs** (`-p dataset=folder:PATH`): 5 people with 2 photographs each, or more.
#
# ## Parameters
#
# Every notebook has one parameters cell; here it is the next cell. The parameter `preset` chooses the sizes: `smoke` is a
# quick look, `laptop` is what is stored here, `paper` is the papers' data and settings, for a GPU. From the command line:
# `facelab run 00 --preset smoke -p seed=1`. A parameter that the notebook does not have, or a value of the wrong type, is
# refused before anything runs.

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
from facelab.datasets.splits import identity_disjoint_split, stratified_split
from facelab.errors import LeakageError
from facelab.evaluation import BASELINES, cosine_scores, roc, verification_estimates, wilson
from facelab.exercises import chapter_00 as exercises
from facelab.exercises import chapter_00_bootstrap as bootstrap_exercises
from facelab.protocols import unseen_people

run = labs.begin("00_start_here", preset=preset, dataset=dataset, seed=seed)
faces = labs.require_people(datasets.load(dataset, run.choose(32, 64, 112)), people=5, photos=2)
run.record_data("faces", faces)
faces

# %% [markdown]
# ## The photographs
#
# ORL shows 40 people who worked in or near the Olivetti Research Laboratory in Cambridge, with ten photographs of each,
# taken between 1992 and 1994. The photographs come inside a package that the course depends on. They may be used freely
# with credit (Olivetti Research Laboratory / AT&T Laboratories Cambridge). In the picture, one row is one person.

# %%
orl = datasets.load("orl", 64)
sample = np.random.default_rng(seed).permutation(orl.people)[:3]
plots.show_faces(
    np.concatenate([orl.select_people([person]).images for person in sample]),
    columns=10,
    zoom=1.2,
    alt="Photographs of three people of ORL, one person in each row: faces before a plain background, in even light.",
)

# %% [markdown]
# These people sat still in front of a dark wall, in even light. People who unlock a phone do not. So the course works on
# `orl-wild`: each of the 400 photographs is rendered four times under everyday conditions, and a table holds the
# conditions of each rendering. The photographs are real and the conditions are simulated; the course always says so.

# %%
wild = datasets.load("orl-wild", 64)
plots.show_faces(
    np.concatenate([wild.select_people([person]).images[::4] for person in sample]),
    columns=10,
    zoom=1.2,
    alt="The same three people in orl-wild, one person in each row: turned and partly covered faces, shadows, blur, noise.",
)

# %%
wild.attributes.loc[[0, 1, 2, 3], ["file", "turn_degrees", "shadow", "occlusion", "blur_sigma", "noise_sigma"]]

# %% [markdown]
# A data set is one object, a `FaceSet`: the pixels, the identity of the person in each photograph, a table of what is
# known about each photograph, and a hash of the pixels. The hash is the same on every machine. Two people who compare
# results can check with it that they used the same pixels.

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
# A face is biometric data: it identifies a person, and nobody can change their face after a leak. Three rules follow for
# engineers, and the code of this course keeps them.
#
# - **Consent.** Photographs are used only under the terms under which they were given. The terms stand beside each data
#   set. The course shows no face of a data set whose terms do not allow it.
# - **Data minimisation.** Where a template is enough, no photograph is kept. What a person deletes is really deleted.
# - **Error rates by group.** They are given with intervals, because an average hides for whom a system fails.
#
# ORL has 36 men and 4 women, colleagues of one laboratory. What is measured on it says little about other people.
#
# These are the data sets that the course can read, with their terms:

# %%
terms = {source.name: (source.facts, source.license) for source in catalog.all_sources()}
pd.DataFrame.from_dict(terms, orient="index", columns=["what it holds", "licence and terms"])

# %% [markdown]
# ## Comparing two photographs
#
# To a computer a photograph is a long vector of numbers. Subtract its mean, and compare two such vectors by the cosine of
# the angle between them: 1 means the same direction, 0 a right angle.
#
# $$s(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert}$$
#
# The next cell does this for all pairs of photographs of the test people. A pair that shows one person is a
# *genuine comparison* (the standards also say *mated*). A pair that shows two people is an *impostor comparison* (*non-mated*).
# The chart shows the scores of both kinds.

# %%
halves = identity_disjoint_split(faces, train=len(faces.people) // 2, seed=seed)
train, test = faces.subset(halves.train), faces.subset(halves.test)
if preset == "smoke":
    test = test.select_people(test.people[:6])
pairs = unseen_people.verification_pairs(test, seed)
compared = {name: cosine_scores(baseline(train.images)(test.images), pairs) for name, baseline in BASELINES.items()}
pixel = compared["raw pixels"]
figure = plots.score_histograms(pixel[pairs.same], pixel[~pairs.same], title="raw pixels")
plots.describe(
    figure, "The more the scores of one person and those of two people overlap, the more errors a threshold makes"
)
plt.show()

# %% [markdown]
# The two histograms overlap almost completely. A system decides with a *threshold*: two photographs whose score reaches it
# are taken for one person. Every threshold makes two kinds of error. Two people are accepted as one (*false match*), or one
# person is refused (*false non-match*). If the threshold rises, the false match rate (FMR) falls and the false non-match
# rate (FNMR) rises.
#
# The *equal error rate* (EER) sums this up in one number: it is the rate at the threshold where both are equal. An EER of
# 50 % is no better than chance.
#
# **0.4** Predict, then run. What is the equal error rate of raw pixels on these people? Judge by the histogram above, and
# write down a share between 0 and 1 before you run the next cells. A guess is never graded as wrong.


# %%
def guess_pixel_eer() -> float:
    """Equal error rate of raw pixels, between 0 and 1."""
    return ...


guess = labs.predict(exercises.GUESS_PIXEL_EER, guess_pixel_eer)

# %% [markdown]
# Raw pixels are compared with *whitened PCA*. Principal component analysis (PCA) finds the directions in which the faces of
# the training people differ most, which Turk and Pentland called *eigenfaces* in 1991. Whitening, which is not in their
# paper, gives all of these directions equal weight. PCA has seen none of the people on whom it is tested here. The DET curve
# (detection error trade-off) shows both error rates at all thresholds:

# %%
curves = {name: roc(values, pairs.same) for name, values in compared.items()}
plots.det_curves({name: (curve.fmr, 1 - curve.tmr) for name, curve in curves.items()}, "People never seen in training")
plots.describe(plt.gcf(), "A curve nearer to the lower left corner makes fewer errors of both kinds")
plt.show()

# %%
for name, values in compared.items():
    figures = verification_estimates(values, pairs, test.identity, draws=run.choose(100, 1000, 1000), seed=seed)
    run.record_metric(f"eer/{name}", figures["eer"])

# %% tags=["nbval-ignore-output"]
for name in compared:
    print(f"{name:14} EER {run.record.metrics[f'eer/{name}']} people")
guess.compare(run.record.metrics["eer/raw pixels"])

# %%
run.check_references("eer/raw pixels", "eer/whitened PCA")

# %% [markdown]
# The brackets hold a 95 % interval: where the rate would probably lie with other people (a bootstrap over people, exercise
# 0.3).
#
# `run.check_references` compares what was just measured with a stored reference, which was measured over several seeds. It
# says whether the two agree within the tolerance. The measured value itself goes into a record, with its interval, the
# parameters, the versions and the hash of the data. `facelab leaderboard` shows all records. No measured number is typed into
# the text.
#
# These two are the baselines. Every method of the course is shown beside them, and has to beat them.

# %%
sheet = plots.face_sheet(wild.images[:: len(wild) // 40][:40], columns=10)
overview, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=(1.5, 1))
left.imshow(sheet)
left.set_axis_off()
for name, curve in curves.items():
    right.plot(curve.fmr, 1 - curve.tmr, label=name)
right.plot([0, 1], [0, 1], ":", color="grey", label="equal error rate")
right.set(xlabel="false match rate", ylabel="false non-match rate", title="before any learning")
right.legend()
if dataset == "orl-wild":
    run.save_figure(overview)
plt.close(overview)

# %% [markdown]
# ## A rate without its interval is half a result
#
# One of the projects that this course grew from reported 80 % on its smallest set: 87 of 109 test photographs. With other
# photographs of the same people the share could have been a different one. Wilson's interval holds the true rates that are
# compatible with 87 of 109, at a confidence of 95 %:

# %%
print(wilson(87, 109, unit="photographs"))
print(wilson(870, 1090, unit="photographs"))
plots.intervals(
    {"": {f"{round(0.8 * n)} of {n}": wilson(round(0.8 * n), n) for n in (10, 30, 109, 300, 1000, 10000)}},
    "rate, per cent",
)
plots.describe(plt.gcf(), "The interval of the same rate becomes narrower with more photographs")
plt.show()

# %% [markdown]
# The project compared 80 % with 87 % and 89 % on its larger sets and saw a trend. But the interval of the 80 % reaches above
# 85 %, and the other two rates have intervals too. With ten times the photographs the interval is about a third as wide:
# half the width takes four times the photographs.
#
# ## No person in both training and test
#
# If the threshold is chosen on the people who are tested, the error rate comes out too low. If the method was trained on
# them, its error rate says nothing about new people. The course does not only advise against this. Its code asserts that
# training and test have nobody in common. A split that draws single rows of the table of faces fails this check:

# %%
assert_disjoint(train, test)
print("training and test have no person, no file, no picture and no near-duplicate in common")
by_row = stratified_split(faces, train=0.7, seed=seed)
try:
    assert_disjoint(faces.subset(by_row.train), faces.subset(by_row.test), kinds=("identity",))
except LeakageError as error:
    print("a split by row:", error.problem)

# %% [markdown]
# ## On LFW
#
# The photographs of the package are enough to learn from; the papers' data need one parameter more. Put LFW below the
# folder that `FACELAB_DATA` names (`facelab data info lfw` says how). Then `facelab run 02 -p dataset=lfw` runs notebook 02
# on it. The notebooks show such results from stored records, with the command that made them, so that you see them without
# the data.
#
# ## Exercises
#
# Replace each `...` by your code. The check says what is missing, or what is wrong and why. Below it, two hints and the
# solution can be unfolded. The notebook goes on with the reference solution in any case, so it always runs to its end.
#
# **0.1** The cosine of each row of `a` with the same row of `b`.


# %%
def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N, D) and (N, D) to (N,)."""
    return ...


cosine_similarity = labs.check_answer(exercises.COSINE_SIMILARITY, cosine_similarity)

# %% [markdown]
# **0.2** The people who are in both sets. `-1` stands for "not known who it is".


# %%
def people_on_both_sides(train: np.ndarray, test: np.ndarray) -> list:
    """Sorted numbers of the people in both, each once."""
    return ...


people_on_both_sides = labs.check_answer(exercises.PEOPLE_ON_BOTH_SIDES, people_on_both_sides)

# %% [markdown]
# **0.3** The bootstrap over people. Wilson's interval takes every photograph as an independent trial. Ten photographs of one
# person are not independent: a person who is hard to recognise is hard to recognise in most of them. So draw people instead.
#
# - One *replicate* draws as many people as there are, with replacement. Each person drawn brings *all* their photographs, and
#   a person drawn twice brings them twice. The value of the replicate is the share of its photographs that are right.
# - The ends of the 95 % interval are the 2.5 % and the 97.5 % quantile of the values of `draws` replicates.
#
# People can have different numbers of photographs, and `person` can hold any whole numbers. Draw with `rng` alone.


# %%
def person_bootstrap(
    right: np.ndarray, person: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[float, float]:
    """bool (N,), int (N,) who is in each photograph, number of replicates: lower and upper end of the interval."""
    return ...


person_bootstrap = labs.check_answer(bootstrap_exercises.PERSON_BOOTSTRAP, person_bootstrap)

# %% [markdown]
# ## References
#
# - F. Samaria, A. Harter, *Parameterisation of a Stochastic Model for Human Face Identification*, WACV 1994: ORL.
# - M. Turk, A. Pentland, *Eigenfaces for Recognition*, Journal of Cognitive Neuroscience 3, 1991.
# - B. Efron, R. Tibshirani, *An Introduction to the Bootstrap*, Chapman & Hall 1993.
# - E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 22, 1927.
# - ISO/IEC 19795-1, *Biometric performance testing and reporting*: false match, false non-match.

# %% tags=["nbval-ignore-output"]
run.finish()
