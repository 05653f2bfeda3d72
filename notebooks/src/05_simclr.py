# %% [markdown]
# # 05 SimCLR and LARS: many photographs, few labels
#
# Labels cost work, photographs do not. A network first learns without labels, by telling each photograph of a large batch
# from all others; then it gets a few labels. How many does that save? You will also repeat two failures of an earlier
# project on purpose, and write the checks that catch them.
#
# ![Balanced accuracy with few labels](../figures/05_simclr.png)
#
# ## What you will learn
#
# - NT-Xent, the loss of SimCLR, and what its temperature does.
# - Why the batch must be large, how a batch that does not fit in memory is trained all the same, and why large batches
#   got an optimiser of their own, LARS.
# - The semi-supervised question: linear probe and fine-tuning with 1, 10 and 30 % of the labels, beside a network
#   that starts at random and beside plain pixels.
# - To see a classifier that knows one class only, and a validation set in which a class is missing, before they are
#   printed.
#
# **Time:** about two minutes on two cores. **You need first:** notebooks 02 and 04.
#
# ## Parameters

# %% tags=["parameters"]
preset: str = "laptop"  # smoke: seconds; laptop: the stored one; paper: the paper's settings, for a GPU
dataset: str = "orl-wild"  # [orl-wild, orl] the attributes that are asked for are labels of ours
seed: int = 0  # of the initial weights, the order, the augmentation and the draws of labels
epochs: int = 0  # [0, 2 ≤ epochs] passes of the pretraining over the training photographs; 0: the preset's
temperature: float = 0.2  # [0 < temperature] of the loss; the paper has 0.1 on ImageNet, 0.5 on CIFAR-10

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from facelab import datasets, evaluation, labs, plots, records
from facelab.augment import CLASSIFIER, SIMCLR
from facelab.backbones import backbone
from facelab.datasets.splits import stratified_split
from facelab.errors import BadParameterError
from facelab.exercises import chapter_05 as exercises
from facelab.exercises import chapter_05_labels as label_exercises
from facelab.exercises import faults
from facelab.experiments.analysis.memory import PeakMemory
from facelab.labs import references
from facelab.losses import nt_xent
from facelab.methods import SimCLR, embed_faces
from facelab.optim import LARS, parameter_groups, scaled_lr
from facelab.paths import project_data
from facelab.protocols import few_labels, unseen_people
from facelab.training import Plan, fit, with_gradient_cache

run = labs.begin("05_simclr", preset=preset, dataset=dataset, seed=seed, epochs=epochs, temperature=temperature)
size = run.choose(32, 48, 112)
faces = datasets.load(dataset, size)
if not {"glasses", "facial_hair", "smile", "gender"} <= set(faces.attributes.dropna(axis=1)):  # known of each
    raise BadParameterError(f"{dataset} has not the attributes that are asked for.", "Take orl-wild or orl.")
train, test = unseen_people.split_unseen_people(faces, seed)
run.record_data("train", train)
run.record_data("test", test)
print(train, test, sep="\n")

# %% [markdown]
# Half of the people train, the other half judge, as in notebook 04: nobody of the test is in any training below.
#
# ## Find your partner
#
# Of each of $N$ photographs two views are drawn. Each of the $2N$ views looks at all others, itself left out, and must name
# the one that comes from its own photograph: a classification of $2N - 1$ classes.
#
# $$L = \frac{1}{2N}\sum_i -\log \frac{\exp(\cos(z_i, z_{j(i)}) / \tau)}{\sum_{k \ne i} \exp(\cos(z_i, z_k) / \tau)}$$

# %%
z = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(1)))
itself = torch.eye(6, dtype=torch.bool)
partner = torch.arange(6).roll(3)  # rows 0-2 are first views, rows 3-5 second views of the same photographs
shares = ((z @ z.T) / temperature).masked_fill(itself, -torch.inf).softmax(dim=1)
figure, axes = plt.subplots(1, 2, figsize=(7.5, 3))
for panel, values, title in zip(
    axes, (shares, torch.eye(6)[partner]), ("share of each other view", "what is right"), strict=True
):
    panel.imshow(values, cmap="viridis", vmin=0, vmax=1)
    panel.set(title=title, xlabel="view", ylabel="view")
    panel.grid(False)
plt.show()
by_hand = -shares[torch.arange(6), partner].log().mean()
print("by hand equals facelab.losses.nt_xent:", torch.isclose(by_hand, nt_xent(z[:3], z[3:], temperature)).item())

# %% [markdown]
# Who knows nothing gives each of the $2N - 1$ others the same share, so the loss starts near $\log(2N - 1)$. If it does
# not, something is wrong before any training. (Google's code adds the means of both halves: twice the paper's loss.)

# %%
known_nothing = torch.randn(256, 512, generator=torch.Generator().manual_seed(0))
start = nt_xent(*known_nothing.chunk(2), temperature=0.5)
print("within 5 % of log(2N - 1):", abs(start.item() / np.log(255) - 1) < 0.05)

# %% [markdown]
# The temperature decides which of the others count. The gradient pushes each of them away in proportion to its share.
# With a small $\tau$ only the nearest few have one; with a large one all are pushed alike, near or far:

# %%
others = torch.from_numpy(np.sort(np.random.default_rng(0).normal(0, 0.3, 254).clip(-1, 1))[::-1].copy())
pushed = {f"τ = {tau}": (others / tau).softmax(dim=0).cumsum(dim=0) for tau in (0.05, 0.1, 0.2, 0.5, 1.0)}
title = "Cosines of a network that has begun to learn"
plots.curves(pushed, "so many of the nearest others (of 254)", "their part of all that pushes", title)
plt.show()

# %% [markdown]
# ## A batch that does not fit
#
# More photographs in a batch are more to be told from: the paper goes to 8192. Memory ends sooner. It will not do to
# add up gradients of small batches, since each photograph would then be compared with the few of its own. *Gradient
# caching* keeps the comparison whole: all photographs go through the network in chunks, and nothing is kept but their
# projections; the loss looks at all projections at once and sends a gradient to each; then every chunk goes through
# again, with what lies between, and passes its gradients on. `Plan(chunk=32)` does that.

# %%
network, width = run.choose(("resnet10", 8), ("resnet10", 16), ("resnet50", None))
views = run.choose(CLASSIFIER, CLASSIFIER, SIMCLR)


def new_simclr():
    """An untrained SimCLR; always the same weights."""
    torch.manual_seed(seed)
    body = backbone(network, in_channels=train.images.shape[3], width=width)
    return SimCLR(body, views, temperature=temperature)


batch = train.images[:: max(1, len(train) // 256)][:256]
peaks = {}
for chunk in (0, 128, 64, 32):
    method = new_simclr()
    drawn = method.draw_views(batch, np.random.default_rng(seed))
    nobody = torch.full((len(batch),), -1)
    with PeakMemory() as memory:
        with_gradient_cache(method, chunk)(drawn, nobody, nobody)["loss"].backward()
    peaks[f"chunks of {chunk}" if chunk else "whole"] = memory.peak / 2**20
figure, axes = plt.subplots(figsize=(7.5, 2.2))
axes.barh(list(peaks), list(peaks.values()))
axes.invert_yaxis()
axes.set(xlabel=f"MiB at the most, one step on {len(batch)} photographs", title="The same comparison, in less memory")
plt.show()
print("chunks of 32 take less than a third of the memory:", peaks["chunks of 32"] < peaks["whole"] / 3)

# %% [markdown]
# ## LARS: a rate for each layer
#
# A large batch means few steps, and few steps want large ones. But how large may a step be? What a step does to a layer
# depends on its length against the length of the weights themselves, and that differs from layer to layer:

# %%
probe = new_simclr()
probe.training_step(drawn, nobody, nobody)["loss"].backward()
kernels = {name: p for name, p in probe.named_parameters() if p.ndim > 1}
ratio = [(p.norm() / p.grad.norm()).item() for p in kernels.values()]
figure, axes = plt.subplots(figsize=(7.5, 2.6))
axes.semilogy(ratio, "o-")
axes.set(
    xlabel="layer, from the first convolution to the head", ylabel="|w| / |g|", title="At the start, no step taken yet"
)
plt.show()
run.record_metric("largest to smallest ratio", max(ratio) / min(ratio))

# %% [markdown]
# One rate for all of them is too large for the layers at the bottom of this curve and too small for those at its top. LARS
# multiplies the step of each layer by $\eta\,|w| / |g + \beta w|$, so that every layer moves by the same share of
# itself. Biases and the weights of norms are left out, of this and of weight decay. One step from the start:

# %%
before = {name: p.detach().clone() for name, p in kernels.items()}
LARS(parameter_groups(probe, weight_decay=1e-6), lr=1.0).step()
moved = [((p - before[name]).norm() / before[name].norm()).item() for name, p in kernels.items()]
print("every kernel moved by one part in a thousand:", np.allclose(moved, 1e-3, rtol=1e-3))

# %% [markdown]
# Does it pay? SimCLR on these very people, 20 epochs, three seeds; SGD and LARS with the rate that the paper gives for their
# batch, the large batch in chunks:

# %%
optimisers = records.read_record(project_data("results", "05_lars.json"))
print(optimisers.command)
rows = {name.removeprefix("eer/"): metric for name, metric in optimisers.metrics.items()}
plots.intervals({"": rows}, "EER on strangers, per cent, mean over 3 seeds (lower is better)")
plt.show()
large = {name: metric for name, metric in rows.items() if "256" in name}
print("LARS is below SGD, intervals apart:", large["LARS, batch 256"].high < large["SGD, batch 256"].low)
print(
    "the small batch is below every large one, intervals apart:",
    all(rows["AdamW, batch 64"].high < metric.low for metric in large.values()),
)

# %% [markdown]
# A batch of 256 of 800 photographs means three steps an epoch. What counts here is the number of steps, and in the same
# number of epochs the small batch takes four times as many. LARS was made for the other case: so many photographs that the
# batch must be large to be done at all.
#
# ## Pretraining, without labels
#
# The second view is another rendering of the same photograph, for the reason that notebook 04 found. Beside the loss we
# watch the effective rank.

# %%
plan = Plan(
    epochs=epochs or run.choose(2, 40, 800),
    batch_size=run.choose(16, 64, 1024),
    lr=run.choose(2e-3, 3e-3, scaled_lr(1024, "sqrt")),
    optimizer=run.choose("adamw", "adamw", "lars"),
    weight_decay=run.choose(0.05, 0.05, 1e-4),
    seed=seed,
)
scenes = unseen_people.scene_ids(train, "photo" if "photo" in train.attributes else None)


def watch(candidate):
    """The effective rank of the training photographs."""
    return {"effective_rank": evaluation.effective_rank(embed_faces(candidate, train))}


start = new_simclr()
simclr = few_labels.replace_backbone(start, start.backbone)
history = fit(simclr, train, plan, scenes=scenes, monitors=[watch])
plots.curves({"loss": history.series("loss")}, "epoch", "NT-Xent")
plt.show()
plots.curves({"effective rank": history.series("effective_rank")}, "epoch", "effective rank")
plt.show()

# %%
pairs = unseen_people.verification_pairs(test)
embeddings = unseen_people.embed_baselines(start, train, test) | {"SimCLR": embed_faces(simclr, test)}
similar = {name: evaluation.cosine_scores(rows, pairs) for name, rows in embeddings.items()}
draws = run.choose(100, 1000, 1000)  # of the bootstrap
figures = unseen_people.verification_metrics(similar, test, pairs, (), draws, seed)
for name, found in figures.items():
    run.record_metric(f"eer/{name}", found["eer"])
overview = {name: unseen_people.complement(found["eer"]) for name, found in figures.items()}
plots.intervals({"": overview}, "1 - EER on strangers, per cent, with 95 % intervals")
plt.show()
run.check_references(*[f"eer/{name}" for name in figures])
stored = references.lookup(run.notebook, preset, dataset)
if stored:
    clear = stored["eer/SimCLR"].high < figures["whitened PCA"]["eer"].low
    print("over seeds, SimCLR's interval lies below that of whitened PCA:", clear)
for notebook, metric in (("03_supcon", "eer/SupCon"), ("04_moco", "eer/MoCo, views of a moment")):
    print(notebook, metric, references.lookup(notebook, preset, dataset).get(metric, "has no reference here"))

# %% tags=["nbval-ignore-output"]
for name, found in figures.items():
    print(f"{name:16} EER {found['eer']}")

# %% [markdown]
# ## Few labels
#
# Now the labels of ours. For each attribute a fixed list of photographs, equally many of each class, is labelled: 1, 10 and
# 30 % of the training people's photographs. Three ways to use them:
#
# - logistic regression on plain pixels, 24 by 24;
# - *linear probe*: logistic regression on the frozen network's embeddings;
# - *fine-tuning*: the projection head is thrown away, one new layer takes its place, and everything learns on.
#
# Beside SimCLR stands the same network at its random start. The figure is *balanced accuracy*, the mean over classes of the
# share found right: who always says "no glasses" gets 50 %, whatever the data set. Its interval is over the test's people.

# %%
columns = ["glasses", "facial_hair", "smile"]
networks = {"SimCLR": simclr, "random start": start}
fractions = (0.01, 0.1, 0.3)
balanced = {}
for column in columns:
    question = few_labels.LabelTask.from_column(column, train, test)
    for share in fractions:
        # fine-tuning takes its time: the first attribute only
        tuning = few_labels.FineTuning(run.choose(2, 60, 1000), augmentation=views) if column == columns[0] else None
        given = [few_labels.predict_with_few_labels(question, networks, share, draw, tuning) for draw in range(3)]
        for name in given[0]:
            predicted = np.concatenate([answer[name] for answer in given])
            labels, people = np.tile(question.test_labels, 3), np.tile(test.identity, 3)
            key = f"{column}/{share:g}/{name}"
            run.record_metric(key, evaluation.balanced_accuracy(labels, predicted, people, draws=draws, seed=seed))
            balanced.setdefault(f"{column}, {100 * share:.0f} %", {})[name] = run.record.metrics[key]
first = {name: rows for name, rows in balanced.items() if name.startswith(columns[0])}
figure = plots.intervals(
    first, "balanced accuracy on strangers, per cent, mean of 3 draws of the labels", f"{dataset}", chance=0.5
)
run.save_figure(figure)
plt.show()
plots.intervals(
    {name: rows for name, rows in balanced.items() if name not in first},
    "balanced accuracy on strangers, per cent",
    "other attributes, without fine-tuning",
    chance=0.5,
)
plt.show()
run.check_references(*[f"{columns[0]}/{share:g}/{name}" for share in fractions for name in next(iter(first.values()))])

# %% tags=["nbval-ignore-output"]
for group, rows in balanced.items():
    for name, estimate in rows.items():
        print(f"{group:18} {name:26} {estimate}")

# %% [markdown]
# ## Two failures, on purpose
#
# The earlier project reported two results that were none. Its classifier of gender "only predicted class 0, or male", and
# nobody noticed until the confusion matrix was drawn. And "inexplicably, there were no Asian people in the validation set".
# Both can be had here, with the labels as they come: 4 of ORL's 40 people are women.
#
# **One class for everybody.** A network at its random start, all training photographs labelled, in their natural shares:

# %%
question = few_labels.LabelTask.from_column("gender", train, test)
tuning = few_labels.FineTuning(run.choose(2, 40, 1000), augmentation=views)
careless = few_labels.fine_tune(start, train, question.pool_labels, 2, tuning, seed)
predicted = careless.predict(test).argmax(axis=1)
accuracy = (predicted == question.test_labels).mean()
plots.confusion_matrix(
    evaluation.confusion_matrix(question.test_labels, predicted, 2), "what was predicted, in per cent", question.names
)
plt.show()
run.record_metric("careless/accuracy", accuracy, n=len(test))
found = evaluation.balanced_accuracy(question.test_labels, predicted, test.identity, draws=draws)
run.record_metric("careless/balanced accuracy", found)
run.record_metric("careless/largest class", evaluation.largest_class_share(predicted, 2))
print("accuracy of 85 % or more, which reads well:", accuracy >= 0.85)
run.check_references("careless/accuracy", "careless/balanced accuracy", "careless/largest class")

# %% [markdown]
# The histogram of what was *predicted* would have told, and so would balanced accuracy. Both are one line, and a guard that
# stops is better than a line that somebody must read:

# %%
for name, guess in {
    "everybody is male": np.ones(len(test), dtype=int),
    "the right answers": question.test_labels,
}.items():
    try:
        evaluation.assert_not_one_class(guess, 2)
        print(f"{name}: passes")
    except BadParameterError as refused:
        print(f"{name}: {refused}")

# %% [markdown]
# **A class that is missing.** The files come sorted by person; the last part becomes the validation set:

# %%
names, gender = np.unique(faces.attributes["gender"], return_inverse=True)
cut = len(faces) * 7 // 8
split = stratified_split(faces, train=7 / 8, seed=seed, column="gender")
for title, parts in {
    "the last eighth of the files": {"training": gender[:cut], "validation": gender[cut:]},
    "an eighth of each class": {"training": gender[split.train], "validation": gender[split.test]},
}.items():
    print(title, evaluation.class_counts(parts, names), sep="\n")
    try:
        evaluation.assert_all_classes(parts, names)
        print("passes\n")
    except BadParameterError as refused:
        print(f"refused: {refused}\n")

# %% [markdown]
# `stratified_split` shares each class out, so that every class is in every part. The same two faults as lessons, with a
# check for any implementation:

# %% tags=["nbval-ignore-output"]
faults.fault_table(
    [fault for fault in faults.all_faults() if fault.check in (faults.check_summary, faults.check_split)]
)

# %% [markdown]
# ## On UTKFace
#
# The earlier project's own question: race and gender on UTKFace. SimCLR learns on 70 % of the photographs without
# labels; of these some are labelled; the other 30 % judge, and no copy of theirs is in the 70 %. (It pretrained on
# the photographs it tested on.) The labels are the data set's own coarse guesses, not what people say of themselves:
# a classifier of them is an exercise in measuring, and nothing that should be built into a product.

# %%
utkface = records.read_record(project_data("results", "05_utkface.json"))
learned, judged = (utkface.data[part]["images"] for part in ("pool", "test"))
print(f"{utkface.command} | {learned} photographs to learn from, {judged} to judge")
names = ("pixels, linear", "random start, linear", "SimCLR, linear", "random start, fine-tuned", "SimCLR, fine-tuned")
for column in ("race", "gender"):
    rows = {
        f"{100 * share:.0f} %": {name: utkface.metrics[f"balanced/{column}/{share:g}/{name}"] for name in names}
        for share in (0.01, 0.1, 0.3)
    }
    chance = {"race": 0.2, "gender": 0.5}[column]
    plots.intervals(rows, "balanced accuracy, per cent, mean over 3 seeds", f"UTKFace, {column}", chance=chance)
    plt.show()
    for share, row in rows.items():
        ours, random, pixels = (
            row[name] for name in ("SimCLR, fine-tuned", "random start, fine-tuned", "pixels, linear")
        )
        gain, over = (100 * (ours.value - other.value) for other in (random, pixels))
        print(
            f"{column}, {share:4} of the labels, SimCLR fine-tuned: {gain:+.1f} points over the random start fine-tuned",
            end="",
        )
        print(f" (intervals apart: {ours.low > random.high}), {over:+.1f} over pixels")
plain = {name: utkface.metrics[f"accuracy/race/0.3/{name}"] for name in names}
print("race, plain accuracy with 30 %, beside the .69 that the earlier project reported:")
print(*[f"  {name:26} {metric}" for name, metric in plain.items()], sep="\n")

# %% [markdown]
# The fewer the labels, the more the start is worth, and with 30 % little of it is left. Three seeds make wide intervals. And
# plain pixels are hard to beat: where skin, hair and the frame of the picture say much, 24 by 24 pixels and logistic
# regression do about as well as a network after some minutes. The earlier project never asked them. (Our lists of labels
# hold equally many of each class, which costs plain accuracy where one class is the largest by far. Its network was
# larger, trained for a day, and had seen the photographs it was tested on.)

# %%
matrix = few_labels.read_confusion_matrix(utkface, "seed 0/race/0.3/SimCLR, fine-tuned")
plots.confusion_matrix(matrix.to_numpy(), "race, UTKFace's own labels, per cent", matrix.index)
plt.show()

# %% [markdown]
# ## On CIFAR-10
#
# The earlier project tested its code there first, and so do we: SimCLR on the training photographs without labels,
# then 1 and 10 % of the labels.

# %%
cifar = records.read_record(project_data("results", "05_cifar.json"))
print(cifar.command, "|", cifar.parameters["seeds"], "seeds")
rows = {
    f"{100 * share:.0f} %": {name: cifar.metrics[f"accuracy/{share:g}/{name}"] for name in names}
    for share in (0.01, 0.1)
}
plots.intervals(rows, "accuracy on CIFAR-10's test, per cent", chance=0.1)
plt.show()
matrix = few_labels.read_confusion_matrix(cifar, "seed 0/0.1/SimCLR, fine-tuned")
plots.confusion_matrix(matrix.to_numpy(), "CIFAR-10, 10 % of the labels, per cent", matrix.index)
plt.show()

# %% [markdown]
# ## What to conclude, and what not
#
# - The loss compares a batch; its size is a setting of the method, not of the machine: chunks keep it whole.
# - LARS moves every layer by the same share of itself, which makes large rates safe for large batches. With few photographs,
#   take a small batch and many steps instead.
# - With a handful of labels ask the frozen network; with more, fine-tuning comes up to it. The random start comes up to
#   neither.
# - No accuracy without the histogram of what was predicted, and no split without the count of each class in each part.
#
# Not to conclude: that a face tells race or gender. The network agrees with labels that somebody guessed from the same
# pictures. And not that more photographs are free because nobody has to label them: somebody is on each.
#
# ## Exercises
#
# Replace each `...`. The check says what is missing or wrong; the notebook goes on with the reference in any case.
#
# **5.1** NT-Xent: both views (N, D), of any norm; the mean over all 2N.


# %%
def nt_xent_loss(z1: torch.Tensor, z2: torch.Tensor, temperature: float) -> torch.Tensor:
    """The mean over 2N views of minus the log share of the partner."""
    return ...


nt_xent_loss = labs.check_answer(exercises.NT_XENT_LOSS, nt_xent_loss)

# %% [markdown]
# **5.2** One step of LARS for one weight matrix, as in SimCLR's code: $g' = g + \beta w$; $q = \eta |w| / |g'|$, 1 where
# either norm is 0; $v \leftarrow m v + \mathrm{lr}\, q\, g'$; $w \leftarrow w - v$. Return the new $w$ and $v$, change nothing
# in place.


# %%
def lars_step(w, g, v, lr: float, eta: float, momentum: float, weight_decay: float):
    """The new weights and the new buffer."""
    return ...


lars_step = labs.check_answer(exercises.LARS_STEP, lars_step)

# %% [markdown]
# **5.3** Balanced accuracy: the mean over the classes that occur in the labels of the share found right.


# %%
def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    """0 to 1."""
    return ...


balanced_accuracy = labs.check_answer(label_exercises.BALANCED_ACCURACY, balanced_accuracy)

# %% [markdown]
# **5.4** A list of rows to be labelled: `each` of every class, drawn without replacement, sorted. A class that has
# too few is a `ValueError` that names it.


# %%
def label_list(labels: np.ndarray, each: int, rng: np.random.Generator) -> np.ndarray:
    """Rows, int."""
    return ...


label_list = labs.check_answer(label_exercises.LABEL_LIST, label_list)

# %% [markdown]
# ## References
#
# - T. Chen, S. Kornblith, M. Norouzi, G. Hinton, *A Simple Framework for Contrastive Learning of Visual
#   Representations*, ICML 2020, arXiv 2002.05709; with K. Swersky, *Big Self-Supervised Models are Strong
#   Semi-Supervised Learners*, arXiv 2006.10029.
# - Y. You, I. Gitman, B. Ginsburg, *Large Batch Training of Convolutional Networks*, arXiv 1708.03888.
# - L. Gao, Y. Zhang, J. Han, J. Callan, *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, arXiv
#   2101.06983.
# - K. Brodersen, C. Ong, K. Stephan, J. Buhmann, *The Balanced Accuracy and Its Posterior Distribution*, ICPR 2010.
# - R. Jones, E. Walker, *Using Contrastive Learning Methods (SimCLR) for Deep Semi-Supervised Face Classification*,
#   2021: the earlier project.
# - Z. Zhang, Y. Song, H. Qi, *Age Progression/Regression by Conditional Adversarial Autoencoder*, CVPR 2017 (UTKFace).

# %% tags=["nbval-ignore-output"]
run.finish()
