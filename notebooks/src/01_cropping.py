# %% [markdown]
# # 01 Cropping: from a photograph to a face
#
# You will turn photographs into upright faces of one size, and know for how many of them, and for whom, that fails.

# %%
import matplotlib.cbook
import numpy as np
from PIL import Image

from facelab import cropping, plots

hopper = np.asarray(Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg")))  # US Navy, public domain
found = cropping.YuNetDetector().detect(hopper)
square = cropping.crop_box(hopper, cropping.Box(0, 0, 512, 512), 160)
marked = cropping.crop_box(plots.mark_faces(hopper, found), cropping.Box(0, 0, 512, 512), 160)
plots.show_faces(np.stack([square, marked, cropping.crop_face(hopper, found[0], 160)]), columns=3)

# %% [markdown]
# ## What you will learn
#
# - How a Haar cascade looks for faces, and why two of its parameters and a border decide what it finds.
# - Why "found one" is no measure of a detector, and what intersection over union measures instead.
# - What the profile cascade sees, and what it sees only in a mirror.
# - What a small network (YuNet) does better, and how its threshold is chosen.
# - How two eyes decide a turn, a scale and a shift, and when they are bad advisers.
# - Why a photograph without a face must be counted and never be kept whole.
# - How to give a failure rate with its interval, group by group.
#
# **Time:** about a minute and a half on two cores. **You need first:** notebook 00, NumPy, and what a matrix does to a
# point.
#
# ## Parameters

# %% tags=["parameters"]
preset: str = "laptop"  # smoke: seconds; laptop: the stored one; paper: every photograph
dataset: str = "orl-wild"  # photographs of the experiment; orl and orl-wild come with known faces
seed: int = 0  # decides which photographs are drawn
sweep_photos: int = 0  # [0 ≤ sweep_photos ≤ 400] photographs of ORL in the sweep; 0: the preset's

# %%
import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import pandas as pd

from facelab import datasets, labs, records
from facelab.cropping import HaarDetector, YuNetDetector
from facelab.cropping.survey import reference_boxes, survey_detectors, uncropped_orl, wild_landmarks
from facelab.evaluation.intervals import rate_by_group, wilson
from facelab.exercises import chapter_01 as exercises
from facelab.experiments.cropping_survey import SETTINGS
from facelab.paths import project_data

run = labs.begin("01_cropping", preset=preset, dataset=dataset, seed=seed, sweep_photos=sweep_photos)
rng = np.random.default_rng(seed)

# %% [markdown]
# ## The photographs
#
# ORL as it was photographed: 40 people, 10 photographs each, 92 pixels wide, 112 high, grey. Someone stood before a
# dark wall and filled the frame. For each photograph five landmarks are known (`data/orl/landmarks.csv`), and from
# them, by a stated rule, a reference box: a square of 2.8 times the distance from eyes to mouth. It is drawn in blue.

# %%
photos, table, landmarks = uncropped_orl()
known = reference_boxes(landmarks)
every = np.arange(0, 400, run.choose(10, 1, 1))  # smoke: one photograph of each person
shown = [plots.mark_faces(photos[i], [], [known[i]]) for i in range(0, 400, 67)]
plots.show_faces(np.stack(shown), columns=6)

# %% [markdown]
# ## Haar cascades
#
# Viola and Jones (2001) slide a window over the photograph and ask a chain of cheap questions: is this rectangle of
# pixels darker than that one, as eyes are darker than cheeks? Nearly every window fails an early question, so most cost
# little. A window that passes all is a *candidate*. Since faces have many sizes, the search is repeated with a window
# that grows by `scale_factor` each time, from 24 pixels up to the size of the photograph. A real face passes in several
# windows at slightly different places, noise often in only one: a group of candidates is a face if more than
# `min_neighbors` of them agree.
#
# A much copied tutorial sets `scale_factor` to 1.3 and `min_neighbors` to 5.

# %%
haar = HaarDetector(scale_factor=1.3, min_neighbors=5)
face = haar.detect(hopper)[0]
print(f"faces: {len(haar.detect(hopper))}, landmarks: {face.landmarks}")
plots.show_faces(
    cropping.crop_box(plots.mark_faces(hopper, [face]), cropping.Box(0, 0, 512, 512), 120)[None], columns=1
)

# %% [markdown]
# It works: one photograph, one face. Now the same settings on all of ORL.

# %%
copied = {
    "frontal": haar,
    "frontal_alt": HaarDetector(("frontal_alt",), scale_factor=1.3),
    "frontal_alt2": HaarDetector(("frontal_alt2",), scale_factor=1.3),
}
tutorial = survey_detectors(photos[every], [known[i] for i in every], copied)
for name, part in tutorial.groupby("detector", sort=False):
    run.record_metric(f"orl found/{name} 1.3/5", wilson(part["found"].sum(), len(part), unit="photographs"))
run.check_references(*[f"orl found/{name} 1.3/5" for name in copied])
missed = every[~tutorial.loc[tutorial["detector"] == "frontal", "found"]]
plots.show_faces(photos[missed[:: max(1, len(missed) // 5)]][:5], columns=5)

# %% [markdown]
# Many photographs are lost, and nothing is wrong with those faces. `frontal` is the cascade that OpenCV calls the
# default; the other two that it carries, as often copied, do worse. Why?
#
# The picture below shows the sizes that the window takes with two scale factors. The grey band holds the faces of ORL,
# as a Haar box would frame them; the line is the width of the photograph. With 1.3, one size falls into the band, and
# that window is almost as wide as the photograph: it can hardly move, so few candidates can agree. A face that reaches
# over the edge is never seen at all.

# %%
sides = np.array([box.w for box in known])
figure, axes = plt.subplots(figsize=(9, 2.2))
for row, factor in enumerate((1.3, 1.1)):
    windows = 24 * factor ** np.arange(20)
    windows = windows[windows <= 92]
    axes.plot(windows, np.full(len(windows), row), "o", label=f"scale factor {factor}")
axes.axvspan(*np.percentile(sides, [5, 95]), color="0.85", zorder=0, label="faces of ORL, middle 90 %")
axes.axvline(92, color="black", label="width of the photograph")
axes.set(xlabel="side of the window in pixels", yticks=[], ylim=(-0.6, 1.6))
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
plt.show()

# %% [markdown]
# So two things should help: a border around the photograph, so that a large window has room to move (`padding`, as a
# share of the shorter side), and finer steps. And a third is often recommended: to enlarge the photograph (`upscale`).
# Rather than believe it, sweep over all four. One search with `min_neighbors` 1 tells the result of each stricter
# setting, because the score of a face is the number of windows that agreed.

# %%
per_person = (sweep_photos or run.choose(8, 80, 400)) / 40
drawn = np.concatenate([10 * p + rng.permutation(10)[: int(np.ceil(per_person))] for p in range(40)])
drawn = np.sort(rng.permutation(drawn)[: round(per_person * 40)])
factors, neighbors = (1.05, 1.1, 1.2, 1.3), (1, 3, 5, 8)


def sweep(padding: float, upscale: float) -> pd.DataFrame:
    """Share of the drawn photographs with a face, for each scale factor and number of neighbours."""
    shares = pd.DataFrame(
        index=pd.Index(factors, name="scale_factor"), columns=pd.Index(neighbors, name="min_neighbors")
    )
    for factor in factors:
        detector = HaarDetector(scale_factor=factor, min_neighbors=1, padding=padding, upscale=upscale)
        best = np.array([max((f.score for f in detector.detect(photos[i])), default=0) for i in drawn])
        shares.loc[factor] = [(best > n).mean() for n in neighbors]
    return shares.astype(float)


grids = {
    "as it is": sweep(0, 1),
    "2x": sweep(0, 2),
    "padded": sweep(0.25, 1),
    "padded, 2x": sweep(0.25, 2),
}
plots.rate_grids(grids, "ORL photographs with a face, per cent")
plt.show()

# %%
for name, grid in grids.items():
    run.record_metric(
        f"orl sweep/{name}, 1.3/5", wilson(round(grid.loc[1.3, 5] * len(drawn)), len(drawn), unit="photographs")
    )
run.record_metric(
    "orl sweep/padded, 2x, 1.1/5",
    wilson(round(grids["padded, 2x"].loc[1.1, 5] * len(drawn)), len(drawn), unit="photographs"),
)
run.check_references(*[f"orl sweep/{name}, 1.3/5" for name in grids], "orl sweep/padded, 2x, 1.1/5")

# %% [markdown]
# The border does it, not the enlargement. Doubling alone does not help: the faces are large already, and the window's
# sizes merely fall elsewhere. With the border every setting finds nearly all. Enlarging is for faces near the smallest
# window, 24 pixels, and costs four times the work.
#
# Be suspicious of the high numbers at the left of the first map, where two windows that agree make a face. They say
# that *something* was found. What?

# %% [markdown]
# ## Found is not right: intersection over union
#
# Divide the area that two boxes share by the area that they cover together. Equal boxes have an IoU of 1, boxes apart
# 0. By the convention of PASCAL VOC a detection is *right* if its IoU with the known box is at least one half.
#
# $$\mathrm{IoU}(A, B) = \frac{|A \cap B|}{|A \cup B|}$$

# %%
loose = HaarDetector(scale_factor=1.05, min_neighbors=1)
judged = survey_detectors(
    photos[drawn], [known[i] for i in drawn], {"loose": loose, "padded": HaarDetector(padding=0.25)}
)
for name, part in judged.groupby("detector", sort=False):
    for verdict in ("found", "right"):
        run.record_metric(f"orl {verdict}/{name}", wilson(part[verdict].sum(), len(part), unit="photographs"))
    run.record_metric(f"orl mean IoU/{name}", part.loc[part["found"], "iou"].mean(), n=int(part["found"].sum()))
run.check_references(*[f"orl {what}/{name}" for name in ("loose", "padded") for what in ("found", "right", "mean IoU")])
worst = judged[(judged["detector"] == "loose") & judged["found"]].sort_values("iou")["row"].to_numpy()[:5]
marked = [plots.mark_faces(photos[i], loose.detect(photos[i]), [known[i]]) for i in drawn[worst]]
plots.show_faces(np.stack(marked), columns=5)

# %% [markdown]
# Orange is what the loosest setting found without a border (the largest face thick), blue is the reference. The boxes
# are too small: the window that would fit the face does not fit into the photograph, and a smaller one over eyes and
# nose passes where only two need to agree. Nearly every face is "found", yet the crops would cut off mouths and chins.
# With the border the boxes fit, and the mean IoU says so.
#
# Of several boxes this course keeps the largest: who stands nearest is taken to be who is meant. That is a rule of
# thumb, and it can be wrong; keep it in mind for the section on LFW.
#
# ## Frontal, profile, and the mirror
#
# A cascade knows the view that it was trained on. OpenCV's profile cascade was trained on faces that look to one side;
# the project that this course grew from therefore searched three times: frontal, profile, and profile in the mirrored
# photograph. Each cascade alone, on ORL with a border, by the head's turn (our labels):

# %%
views = {view: HaarDetector((view,), padding=0.25) for view in ("frontal", "profile", "profile_flipped")}
half = every[:: run.choose(2, 2, 1)]
alone = survey_detectors(photos[half], [known[i] for i in half], views)
turns = "head " + pd.Series(table["head_turn"].to_numpy()[half])
by_turn = {name: rate_by_group(part["right"], turns) for name, part in alone.groupby("detector", sort=False)}
plots.intervals(by_turn, "face found in the right place, per cent")
plt.show()

# %% tags=["nbval-ignore-output"]
for view, rates in by_turn.items():
    for turn, rate in rates.items():
        run.record_metric(f"orl right/{view}/{turn}", rate)
        print(f"{view:16} {turn:13} {rate}")

# %%
run.check_references(*[f"orl right/{view}/{turn}" for view, rates in by_turn.items() for turn in rates])

# %% [markdown]
# The profile cascade sees heads turned to one side and is blind to the other; mirrored, it is the other way round.
# `HaarDetector` tries its `views` in order and stops at the first that finds a face.
#
# ## YuNet
#
# YuNet (2023) is a network of about 75,000 weights that looks at the whole photograph once and gives, for each face, a
# box, five landmarks and a score between 0 and 1. OpenCV runs it, and a dependency of the course carries its weights.
# OpenCV's default keeps faces with a score above .9. What the scores of ORL say about that:

# %%
yunet = YuNetDetector(score_threshold=0.3)
scores = np.array([max((f.score for f in yunet.detect(photos[i])), default=0) for i in every])
figure, axes = plt.subplots(figsize=(7.5, 2.4))
axes.hist(scores, bins=np.linspace(0.3, 1, 36))
axes.axvline(0.9, color="black", linestyle="--", label="OpenCV's default")
axes.axvline(0.6, color="grey", linestyle=":", label="this course")
axes.set(xlabel="score of the best face", ylabel="photographs")
axes.legend()
plt.show()

# %%
for threshold in (0.6, 0.9):
    run.record_metric(
        f"orl found/yunet {threshold}", wilson((scores > threshold).sum(), len(scores), unit="photographs")
    )
run.check_references("orl found/yunet 0.6", "orl found/yunet 0.9")

# %% [markdown]
# A threshold is a choice between missing faces and inventing them; this course takes .6 and then looks at what came
# out. Below you see that the choice matters far more on harder photographs.
#
# ## Alignment by the eyes
#
# A box says where a face is, but not how it is turned, and no two detectors frame it alike. Two eyes say more: there is
# exactly one turn, scale and shift (a *similarity*) that brings them to two given points. With the eyes as complex
# numbers $s_1, s_2$ and their targets $t_1, t_2$:
#
# $$t = a s + b, \qquad a = \frac{t_2 - t_1}{s_2 - s_1}, \qquad b = t_1 - a s_1$$
#
# The length of $a$ is the scale, its angle the turn. In this course the eyes come to lie at 32 % and 68 % of the side,
# at 42 % of the height, so that brows and chin fit in.

# %%
eyes = found[0].landmarks[:2]
target = cropping.template_points("eyes", 64)
matrix = cropping.similarity_transform(eyes, target)
print("the eyes land on the template:", np.allclose(matrix @ np.vstack([eyes.T, np.ones(2)]), target.T))
tilted = [
    cv2.warpAffine(hopper, cv2.getRotationMatrix2D((256, 240), angle, 1), (512, 600)) for angle in (-30, -10, 10, 30)
]
aligned = [cropping.crop_largest_face(photo, YuNetDetector(), 64) for photo in tilted]
boxed = [cropping.crop_box(photo, YuNetDetector().detect(photo)[0].box, 64) for photo in tilted]
plots.show_faces(np.stack(boxed + aligned), columns=4)

# %% [markdown]
# The same photograph, turned: above by its box, below by its eyes.
#
# The mean of many faces shows what alignment is worth. On the left the mean of all ORL photographs cropped by their
# boxes, on the right by their eyes. What differs from photograph to photograph blurs; what is at the same place stays
# sharp.

# %%
detector = YuNetDetector()
faces = {i: cropping.largest_face(detector.detect(photos[i])) for i in every}
faces = {i: face for i, face in faces.items() if face is not None}
by_box = [cropping.crop_box(photos[i], face.box, 64) for i, face in faces.items()]
by_eyes = [cropping.align(photos[i], face.landmarks, 64) for i, face in faces.items()]
means = np.stack([np.mean(crops, axis=0).round().astype(np.uint8) for crops in (by_box, by_eyes)])
plots.show_faces(means, columns=2, zoom=2)

# %% [markdown]
# How far do nose and mouth, which alignment by the eyes knows nothing of, lie apart from face to face? Measured with
# the known landmarks, as the root mean square distance from their mean place, over the distance from eyes to mouth.


# %%
def spread(points: np.ndarray) -> float:
    """Spread of nose and mouth, for landmarks (N, 5, 2) in the pixels of N crops."""
    away = points[:, 2:] - points[:, 2:].mean(axis=0)
    size = np.linalg.norm(points[:, :2].mean(axis=1) - points[:, 3:].mean(axis=1), axis=1).mean()
    return float(np.sqrt((away**2).sum(axis=2).mean()) / size)


target = cropping.template_points("eyes", 64)
places = {"box": [], "eyes": []}
for i, face in faces.items():
    side = max(face.box.w, face.box.h)
    middle = np.array([face.box.x + face.box.w / 2, face.box.y + face.box.h / 2])
    places["box"].append((landmarks[i] - middle) / side)
    matrix = cropping.similarity_transform(face.landmarks[:2], target)
    places["eyes"].append(landmarks[i] @ matrix[:, :2].T + matrix[:, 2])
for name, points in places.items():
    run.record_metric(f"orl spread/{name}", spread(np.array(points)), n=len(points))
run.check_references("orl spread/box", "orl spread/eyes")

# %% [markdown]
# ### When two eyes are bad advisers
#
# Turn a head, and the eyes move together in the picture while the distance from eyes to mouth stays. Alignment by the
# eyes alone then takes a turned head for one that is far away, and zooms in. Five landmarks hold the scale better: the
# similarity that brings them nearest to a template, by least squares (ArcFace's crops are made so).

# %%
narrow = np.linalg.norm(landmarks[:, 0] - landmarks[:, 1], axis=1) / [box.w for box in known]
strongest = np.argsort(narrow)[:6]
turned = [cropping.align(photos[i], landmarks[i], 64) for i in strongest]
turned += [cropping.align(photos[i], landmarks[i], 64, template="arcface") for i in strongest]
plots.show_faces(np.stack(turned), columns=6)

# %% [markdown]
# The six photographs of ORL whose eyes are nearest to one another for the size of the face; above by two eyes, below
# by five points. On `orl-wild` the turn is known in degrees, and the faces can be measured: their size in the crop, 1
# where the median is.

# %%
wild = datasets.load("orl-wild")
points = wild_landmarks(wild)
size_of = np.array([box.w for box in reference_boxes(points)])
five = cropping.template_points("arcface", 112)
scale = {
    "two eyes": 1 / np.linalg.norm(points[:, 0] - points[:, 1], axis=1),
    "five points": np.array([np.hypot(*cropping.similarity_transform(p, five)[:, 0]) for p in points]),
}
band = pd.cut(
    wild.attributes["turn_degrees"].abs(), [-1, 10, 20, 30, 90], labels=["0-10", "10-20", "20-30", "30 and more"]
)
shown_size = {
    name: pd.Series(s * size_of / np.median(s * size_of)).groupby(band, observed=True) for name, s in scale.items()
}
pd.DataFrame({name: sizes.median().round(2) for name, sizes in shown_size.items()}).rename_axis("turn in degrees")

# %% [markdown]
# ## No face is an answer
#
# What should happen where no face is found? An earlier version of the Face-ID application kept the whole frame, and so
# enrolled a photograph of a wall as somebody's face. Here `crop_largest_face` returns `None`, and `crop_tree` (the command
# `facelab crop IN OUT`) writes no crop, counts, and names the file. It can be stopped at any moment and goes on where
# it was.

# %%
with tempfile.TemporaryDirectory() as folder:
    for person, shot in ((0, 0), (0, 1), (1, 0), (2, 3)):
        path = Path(folder, "photos", f"person {person}", f"{shot}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photos[10 * person + shot])
    cv2.imwrite(str(Path(folder, "photos", "person 1", "wall.png")), np.full((120, 90), 128, np.uint8))
    Path(folder, "photos", "person 2", "cut off.png").write_bytes(path.read_bytes()[:2000])
    report = cropping.crop_tree(Path(folder, "photos"), Path(folder, "faces"), YuNetDetector(), size=96)
    again = cropping.crop_tree(Path(folder, "photos"), Path(folder, "faces"), YuNetDetector(), size=96)
print(report)
for file, why in report.failures:
    print(f"  {file}: {why.split('(')[0].strip()}")
print("again:", again)

# %% [markdown]
# ## The experiment
#
# All settings on the photographs of the parameter `dataset`. The default, `orl-wild`, shows ORL's people under
# simulated conditions: turned, badly lit, behind sunglasses, scarves and hands, blurred, noisy. There, as on `orl`, the
# place of each face is known, so a box can be judged. The baseline is no detector at all: to take the whole frame for
# the face.


# %%
class WholeFrame:
    """The baseline: the frame itself is the face."""

    def detect(self, image: np.ndarray) -> list[cropping.Face]:
        """One face, as large as the photograph."""
        return [cropping.Face(cropping.Box(0, 0, image.shape[1], image.shape[0]), 1.0)]


count = run.choose(40, 600, None)
if dataset == "orl":
    images, about, marks = photos, table, landmarks
    run.record_data("survey", datasets.load("orl"))
else:
    faces = run.record_data("survey", datasets.load(dataset, run.choose(64, 112, 112)))
    images, about = faces.images, faces.attributes
    marks = wild_landmarks(faces) if dataset == "orl-wild" else None
chosen = np.sort(rng.permutation(len(images))[:count])
known_there = None if marks is None else reference_boxes(marks[chosen])
about = about.iloc[chosen].reset_index(drop=True)
measured = survey_detectors([images[i] for i in chosen], known_there, {"whole frame": WholeFrame()} | SETTINGS)
verdict = "found" if marks is None else "right"

# %% tags=["nbval-ignore-output"]
results = {}
for name, part in measured.groupby("detector", sort=False):
    results[name] = wilson(part[verdict].sum(), len(part), unit="photographs")
    run.record_metric(f"{verdict}/{name}", results[name])
    run.record_metric(f"found/{name}", wilson(part["found"].sum(), len(part), unit="photographs"))
    print(f"{name:23} {verdict}: {results[name]}   mean IoU where found: {part.loc[part['found'], 'iou'].mean():.2f}")

# %%
plots.intervals({verdict: results}, f"face {verdict}, per cent of {dataset}")
plt.show()
run.check_references(*[f"{verdict}/{name}" for name in results])

# %% [markdown]
# Read it from the top. On `orl-wild` the whole frame is right, because these photographs were cut to the face before we
# got them: a fact about the data set, not a reason to trust a frame; on photographs with background it is worthless.
# The tutorial's settings lose most of the faces, and trying the profile cascades after the frontal one brings little
# back. The border helps the cascade a good deal, and harms YuNet, which needs none. And here OpenCV's default threshold
# for YuNet costs many faces. `YuNetDetector` enlarges twofold unless told otherwise; the row *not enlarged* shows what
# that is worth.
#
# ### For whom does it fail?
#
# One rate hides who pays for it. The share of photographs whose face was *not* rightly found, by what is known of the
# photograph, with 95 % intervals (Wilson). Where the intervals of two groups touch, this experiment has not told them
# apart.

# %%
groups = {name: about[name].astype(str) for name in ("occlusion", "gender") if name in about}
if "occlusion" in groups:
    groups["occlusion"] = groups["occlusion"].replace("none", "uncovered")
if "glasses" in about:
    groups["glasses"] = about["glasses"].map({0: "no glasses", 1: "glasses"})
if "turn_degrees" in about:
    names = ["turned 0-10", "turned 10-28", "turned 28 or more"]
    groups["turn"] = pd.cut(about["turn_degrees"].abs(), [-1, 10, 28, 90], labels=names).astype(str)
elif "head_turn" in about:
    groups["turn"] = "head " + about["head_turn"]
failures = {}
for name in ("Haar 1.1/5, padded", "YuNet .6"):
    wrong = ~measured.loc[measured["detector"] == name, verdict].to_numpy()
    for values in groups.values():
        for group, rate in rate_by_group(wrong, values).items():
            failures.setdefault(group, {})[name] = rate
if failures:
    plots.intervals(failures, "failures, per cent")
    plt.show()

# %% tags=["nbval-ignore-output"]
for group, rates in failures.items():
    for name, rate in rates.items():
        run.record_metric(f"failed/{name}/{group}", rate)
        print(f"{group:18} {name:20} {rate}")

# %%
telling = ("uncovered", "sunglasses", "scarf", "turned 28 or more")
run.check_references(*[f"failed/{name}/{group}" for group in telling if group in failures for name in failures[group]])

# %% [markdown]
# On `orl-wild` a covered mouth costs more than covered eyes, and more than the head's turn. That matters beyond this
# notebook: a photograph that fails here is missing from every later table, and those tables look better for it.
# Whenever a data set was made by a detector, its hard photographs are already gone.
#
# ## On LFW
#
# Measured on 220 photographs of LFW as published (250 x 250, 110 people, two each), by `facelab experiment run
# 01_cropping_lfw`. Numbers only: the photographs are not ours to show. The reference is the centre square of 1/2.2 of the
# side, since LFW was cut around a Haar detector's box made 2.2 times as large.

# %%
lfw = records.read_record(project_data("results", "01_cropping_lfw.json"))


def cell(name: str) -> str:
    """A recorded rate with its interval, in per cent."""
    rate = lfw.metrics[name]
    return f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


columns = {
    "found": "found/{}/all",
    "right": "right/{}/all",
    "right, men": "right/{}/male",
    "right, women": "right/{}/female",
}
columns["more than one"] = "several/{}/all"
pd.DataFrame(
    {title: [cell(form.format(name)) for name in SETTINGS] for title, form in columns.items()}, index=list(SETTINGS)
)

# %%
plots.intervals({"right": {name: lfw.metrics[f"right/{name}/all"] for name in SETTINGS}}, "right on LFW, per cent")
plt.show()

# %% [markdown]
# Here the border finds nothing more, and what is right becomes fewer, with the cascade and with YuNet. The intervals
# touch, so by themselves they are a hint only; but looked at one by one, the boxes that went wrong are those of
# neighbours whose half faces at the edge the border completes: the largest box is then one of them. A setting that
# rescues one data set spoils another: look at what is found, on your own photographs.
#
# Nearly everything is found on LFW, and that is no merit of the detectors: LFW holds only faces that a Haar detector
# had found. The two photographs of a person are not independent either, so the true intervals are somewhat wider than
# these; and whether women's faces fail more often than men's, these few photographs do not say.
#
# ## What to conclude, and what not
#
# - Parameters decide more than the choice of the detector. Measure them on your own photographs, against known boxes.
# - Tight photographs need a border for a cascade; photographs with background must not have one.
# - YuNet gives landmarks, and with them aligned faces; for the rest of the course that is the reason to use it.
# - Count failures, by group, with intervals, and carry them along.
#
# Not to conclude: that YuNet is better than Haar on people in general. The reference landmarks of ORL were made with
# YuNet and then corrected by hand, which favours it; `orl-wild` holds 40 people under simulated conditions, ten of
# whose photographs are not ten independent trials; and ORL's people were colleagues of one laboratory around 1993, nine
# of ten of them men.
#
# ## Exercises
#
# Replace each `...`. The check says what is missing or wrong; the notebook goes on with the reference in any case.
#
# **1.1** Intersection over union of two boxes `(x, y, w, h)`. Mind boxes that do not touch.


# %%
def iou(a: tuple, b: tuple) -> float:
    """Intersection over union."""
    return ...


iou = labs.check_answer(exercises.IOU, iou)

# %% [markdown]
# **1.2** The number of the largest of a list of boxes `(x, y, w, h)`. What if the list is empty?


# %%
def largest_face(boxes: list) -> int | None:
    """Number of the largest box."""
    return ...


largest_face = labs.check_answer(exercises.LARGEST_FACE, largest_face)

# %% [markdown]
# **1.3** The 2 x 3 matrix that brings two eyes to two points. Python knows complex numbers: `complex(*eye)`.


# %%
def align_eyes(right: np.ndarray, left: np.ndarray, to_right: np.ndarray, to_left: np.ndarray) -> np.ndarray:
    """Matrix of the similarity, its last column the shift."""
    return ...


align_eyes = labs.check_answer(exercises.ALIGN_EYES, align_eyes)

# %% [markdown]
# **1.4** Wilson's interval. With $p = k / n$, it is centred at $(p + z^2 / 2n) / (1 + z^2 / n)$, and half as wide as
# $2z \sqrt{p (1 - p) / n + z^2 / 4 n^2} / (1 + z^2 / n)$. What does it say of 0 failures in 20?


# %%
def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Lower and upper end."""
    return ...


wilson_interval = labs.check_answer(exercises.WILSON_INTERVAL, wilson_interval)

# %% [markdown]
# ## References
#
# - P. Viola, M. Jones, *Rapid Object Detection using a Boosted Cascade of Simple Features*, CVPR 2001.
# - W. Wu, H. Peng, S. Yu, *YuNet: A Tiny Millisecond-level Face Detector*, Machine Intelligence Research 20, 2023.
# - S. Umeyama, *Least-Squares Estimation of Transformation Parameters Between Two Point Patterns*, PAMI 13, 1991.
# - M. Everingham et al., *The PASCAL Visual Object Classes (VOC) Challenge*, IJCV 88, 2010: the rule of one half.
# - E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 22, 1927.
# - J. Deng et al., *ArcFace: Additive Angular Margin Loss for Deep Face Recognition*, CVPR 2019: the five-point crops.
# - F. Samaria, A. Harter, *Parameterisation of a Stochastic Model for Human Face Identification*, WACV 1994: ORL.
# - G. B. Huang et al., *Labeled Faces in the Wild*, UMass Amherst TR 07-49, 2007.

# %% tags=["nbval-ignore-output"]
run.finish()
