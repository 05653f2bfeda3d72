"""What the ensemble on LFW consists of: a network, an old method on two crops, and what stands behind each.

Frozen on View 1 (``evaluate_view1``, ``TRIED``), where nobody of its 1,000 test pairs is in training. The wide crop was not
tried there by itself: it has the settings of the close one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from sklearn.preprocessing import normalize

from facelab.augment import CLASSIFIER
from facelab.backbones import backbone
from facelab.datasets import FaceSet, load
from facelab.datasets.pair_files import lfw_pairs
from facelab.datasets.pairs import Pairs, all_pairs, restrict_to_pairs
from facelab.evaluation import best_threshold, cosine_scores
from facelab.evaluation.fisher_vectors import fit_components, fit_fisher_encoder
from facelab.experiments.lfw_view2 import crop_center, exclude_people
from facelab.methods import Margin
from facelab.methods.base import apply_in_batches
from facelab.paths import runs_root
from facelab.scoring import Cohort, fit_joint_bayesian, fuse
from facelab.training import BF16, Plan, fit, single_process_fabric

CROPS = {"close": 80, "wide": 112}  #: sides of the centre of LFW's 112 pixels that a member sees
STRANGERS = 1000  #: people with one photograph, none of whom a member learns from: the cohort of its scores

Embeddings = Callable[[FaceSet], dict[str, np.ndarray]]  #: photographs -> what each back end compares: float (N, D)


@dataclass(frozen=True)
class Network:
    """A network for faces, trained from scratch by CosFace on the people with two photographs or more.

    Attributes:
        side: of the photographs that it sees, in pixels.
        width: of its first convolution.
        plan: its training; the seed is filled in.
        options: of ``Margin``.
        shrinkage: of the Joint Bayesian behind it.
    """

    side: int = 48
    width: int = 32
    plan: Plan = Plan(epochs=20, batch_size=128, lr=6e-3, optimizer="muon", momentum=0.6)
    options: tuple[tuple[str, object], ...] = (
        ("loss", "cosface"),
        ("dimension", 256),
        ("scale", 16.0),
        ("margin", 0.2),
    )
    shrinkage: float = 0.2

    def fit(self, train: FaceSet, seed: int) -> Embeddings:
        """Trained; what was stopped goes on. ``cosine`` compares embeddings, ``Joint Bayesian`` these beside the features.

        A photograph is embedded as it is and mirrored; both are added, each of unit norm.
        """
        torch.manual_seed(seed)
        network = backbone("resnet9", in_channels=3, width=self.width, stem="small")
        method = Margin(network, CLASSIFIER, len(train.people), **dict(self.options))
        folder = runs_root() / "lfw_members" / f"{seed}-{train.sha256[:12]}"
        fit(method, train, replace(self.plan, seed=seed), folder=folder, fabric=single_process_fabric(BF16))

        def embed(faces: FaceSet) -> dict[str, np.ndarray]:
            embeddings, features = 0.0, 0.0
            for images in (faces.images, faces.images[:, :, ::-1]):
                own = apply_in_batches(method, lambda x: _both_outputs(method, x), replace(faces, images=images))
                features = features + normalize(own[:, : network.num_features])
                embeddings = embeddings + normalize(own[:, network.num_features :])
            return {"cosine": embeddings, "Joint Bayesian": np.hstack([normalize(embeddings), normalize(features)])}

        return embed


@dataclass(frozen=True)
class Fisher:
    """Fisher vectors, reduced to principal components: no network, and labels only in the Joint Bayesian behind them.

    Attributes:
        side: of the photographs that it sees, in pixels.
        gaussians: of the mixture.
        components: that are kept.
        shrinkage: of the Joint Bayesian.
    """

    side: int = 80
    gaussians: int = 128
    components: int = 350
    shrinkage: float = 0.1

    def fit(self, train: FaceSet, seed: int) -> Embeddings:
        """Mixture and components of the training people's photographs."""
        encoder = fit_fisher_encoder(train.images, self.gaussians, seed=seed)
        vectors = encoder.encode(train.images)
        components = fit_components(vectors, self.components, seed)
        known = components.transform(vectors)
        del vectors

        def embed(faces: FaceSet) -> dict[str, np.ndarray]:
            if faces is train:
                return {"Joint Bayesian": known}
            return {"Joint Bayesian": components.transform(encoder.encode(faces.images))}

        return embed


#: What was measured on View 1 before the recipe was frozen, in per cent of its 1,000 pairs at the best threshold, one seed
#: each: a standard error of about one. Two of these figures differ where they are 2.5 apart.
TRIED = {
    "ResNet-10 of width 32, 20 epochs of AdamW: cosine": 87.9,
    "the same, Joint Bayesian": 89.4,
    "this network by AdamW's rate .004 for Muon: cosine, Joint Bayesian": [88.9, 89.1],
    "rate .006": [87.2, 89.3],
    "rate .008": [88.0, 89.7],
    "Muon's steps without the factor of AdamW, rate .02, the rest at .004": [87.8, 88.6],
    "rate .02, the rest at .008": [87.8, 89.2],
    "Joint Bayesian on embeddings alone, rate .004": 89.4,
    "shrinkage .1, .2, .3, .5 with rate .008": [89.4, 89.7, 89.4, 89.3],
    "Fisher vectors of 64 pixels, four scales in one size": 89.2,
    "of 80 pixels, two scales in two sizes; shrinkage 0, .1": [90.9, 90.8],
    "whitening of embeddings, against the cosine": "5 less",
    "people with one photograph as classes": "2.6 less",
    "network and Fisher vectors of 80 pixels, the means of both Joint Bayesian": 92.1,
    "the cosine beside them, equally weighted": "no gain",
    "no gain": "LDA, within-class covariance normalisation, a moving average of weights, CutMix in 20 epochs, alignment",
}

KINDS = {"network": Network(), "Fisher vectors": Fisher()}
#: name -> crop and kind
MEMBERS = {
    "network": ("close", "network"),
    "close Fisher vectors": ("close", "Fisher vectors"),
    "wide Fisher vectors": ("wide", "Fisher vectors"),
}


def describe_member(name: str) -> dict[str, object]:
    """Everything that decides a member but its seed, for cells and record."""
    crop, kind = MEMBERS[name]
    settings = asdict(KINDS[kind]) | {"frame": CROPS[crop], "strangers": STRANGERS}
    return settings | ({"precision": BF16, "views": asdict(CLASSIFIER)} if kind == "network" else {})


def load_for_member(name: str) -> FaceSet:
    """All of LFW as a member sees it."""
    crop, kind = MEMBERS[name]
    return crop_center(load("lfw", 112), KINDS[kind].side, frame=CROPS[crop])


@dataclass(frozen=True)
class MemberScores:
    """Scores of some pairs by one member.

    Attributes:
        by_back_end: name -> float64 (M,), in standard deviations above the mean impostor of the cohort.
        seconds: of processor time, for training and scoring.
    """

    by_back_end: dict[str, np.ndarray]
    seconds: float


def score_pairs(name: str, faces: FaceSet, pairs: Pairs, seed: int) -> MemberScores:
    """Pairs as a member scores them that has seen nobody of theirs.

    It learns from the people with two photographs or more who are in none of the pairs; scores are put on the scale of those
    among ``STRANGERS``, who are in none either.

    Args:
        name: a key of ``MEMBERS``.
        faces: all of LFW, as ``load_for_member`` gives it.
        pairs: of the set.
        seed: of the member.
    """
    start = time.process_time()
    kind = KINDS[MEMBERS[name][1]]
    rest = exclude_people(faces, pairs)
    photographs = np.bincount(rest.identity)[rest.identity]
    train, strangers = rest.subset(photographs > 1), rest.subset(np.flatnonzero(photographs == 1)[:STRANGERS])
    shown, own = restrict_to_pairs(faces, pairs)
    embed, theirs = kind.fit(train, seed), all_pairs(strangers)
    known, cohort, tested = embed(train), embed(strangers), embed(shown)
    found = {}
    for back_end, embeddings in tested.items():
        if back_end == "cosine":
            score = cosine_scores
        else:
            score = fit_joint_bayesian(known[back_end], train.identity, kind.shrinkage).scores
        found[back_end] = Cohort.from_scores(score(cohort[back_end], theirs)).normalize(score(embeddings, own))
    return MemberScores(found, time.process_time() - start)


def evaluate_view1(names: tuple[str, ...] = tuple(MEMBERS), seed: int = 0) -> dict[str, float]:
    """Accuracy of members and of all together on the 1,000 pairs of View 1's test, at the best threshold."""
    last, found = [], {}
    for name in names:
        faces = load_for_member(name)
        pairs = lfw_pairs(faces, "dev-test")
        scores = score_pairs(name, faces, pairs, seed).by_back_end
        found |= {f"{name}, {end}": best_threshold(own, pairs.same)[1] for end, own in scores.items()}
        last.append(scores["Joint Bayesian"])
    return found | {"all": best_threshold(fuse(last), pairs.same)[1]}


def _both_outputs(method: Margin, images: torch.Tensor) -> torch.Tensor:
    features = method.backbone(images)
    return torch.hstack([features, method.embedding(features)])
