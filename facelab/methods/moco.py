"""MoCo v2: a query is to find its key among a queue of earlier ones. He et al., arXiv 1911.05722; Chen et al., 2003.04297."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facelab.augment import Augmentation
from facelab.backbones import mlp_head
from facelab.errors import BadParameterError
from facelab.losses import info_nce
from facelab.methods.base import Method, check_temperature
from facelab.methods.distributed import gather, local_shard, shared_permutation


class MoCo(Method):
    """Momentum contrast. Nobody's name is used: labels and scenes are kept beside the keys to *count* false negatives.

    Args:
        backbone: (N, C, H, W) -> (N, features); the encoder of the queries, and what is kept.
        augmentation: of both views.
        projection: length of queries and keys.
        hidden: width of the head's hidden layer; 0: that of the embedding, as the paper has it.
        queue: K, how many earlier keys are the negatives; need not be a multiple of the batch.
        momentum: m of the key encoder's moving average: key = m key + (1 - m) query after each step.
        temperature: of ``losses.info_nce``.
        groups: the batch goes through each encoder in so many parts, each of two photographs or more and with batch
            statistics of its own, and the keys in another order than the queries: on one device what shuffling over as many
            devices does. 1: one part, which lets the statistics tell a query which keys came with it (section 3.3 of MoCo).
            In a training by several processes the keys are shuffled over all of them, whatever ``groups`` is.

    Attributes:
        key_backbone, key_head: the key encoder; copies at the start, without gradient.
        queue: float32 (K, D), unit norm, a ring; random directions until the first K keys are in.
        queue_labels, queue_scenes: int64 (K,), person and scene of each key; -1 unknown, -2 no key yet.
        pointer: int64 scalar, where the next key goes.

    Raises:
        BadParameterError: a queue or groups below 1, a momentum outside 0 ... 1, or a temperature of 0 or less; in a training,
            more groups than there are pairs of photographs in the batch of a process.
    """

    views = 2

    def __init__(
        self,
        backbone: nn.Module,
        augmentation: Augmentation,
        projection: int = 128,
        hidden: int = 0,
        queue: int = 4096,
        momentum: float = 0.99,
        temperature: float = 0.2,
        groups: int = 1,
    ) -> None:
        super().__init__(backbone, augmentation)
        check_temperature(temperature)
        if queue < 1 or groups < 1 or not 0 <= momentum <= 1:
            raise BadParameterError(
                f"A queue of {queue}, momentum {momentum}, {groups} groups.",
                "Give a queue and groups of 1 or more, and a momentum from 0 to 1.",
            )
        self.head = mlp_head(backbone.num_features, (hidden or backbone.num_features, projection))
        self.key_backbone, self.key_head = copy.deepcopy(backbone), copy.deepcopy(self.head)
        for parameter in (*self.key_backbone.parameters(), *self.key_head.parameters()):
            parameter.requires_grad = False
        self.momentum, self.temperature, self.groups = momentum, temperature, groups
        self.register_buffer("queue", F.normalize(torch.randn(queue, projection)))
        self.register_buffer("queue_labels", torch.full((queue,), -2))
        self.register_buffer("queue_scenes", torch.full((queue,), -2))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.int64))

    def training_step(self, views: list[Tensor], labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        """The loss against the queue as it was before this batch; then the keys of the batch enter it.

        ``same_person`` and ``same_scene`` are the false negatives: how many keys in the queue, in the mean over the
        queries, are of the query's person, and how many of the very scene: the photograph itself, unless ``fit`` was told more.
        """
        q, keys = self.queries(views[0]), self.keys(views[1])
        terms = {"loss": info_nce(q, local_shard(keys), self.queue, self.temperature)}
        terms |= self._false_negatives(labels, scenes)
        self._enqueue(keys, gather(labels), gather(scenes))
        return terms

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the key encoder's weights towards the query encoder's (Eq. 2 of MoCo)."""
        for key, query in ((self.key_backbone, self.backbone), (self.key_head, self.head)):
            torch._foreach_lerp_(list(key.parameters()), list(query.parameters()), 1 - self.momentum)

    def queries(self, views: Tensor) -> Tensor:
        """Queries (N, projection) of the views (N, C, H, W) of this process, of any norm; batch statistics by groups."""
        return self._in_groups(lambda part: self.head(self.backbone(part)), views)

    @torch.no_grad()
    def keys(self, views: Tensor) -> Tensor:
        """Unit keys (W N, projection) of the views of all W processes; each computed among others than its query was."""
        views = gather(views)
        shuffle = shared_permutation(len(views), views.device)
        shuffled = local_shard(views[shuffle]).contiguous(memory_format=torch.channels_last)
        keys = gather(self._in_groups(lambda part: self.key_head(self.key_backbone(part)), shuffled))
        return F.normalize(keys[shuffle.argsort()].float())

    def _in_groups(self, encode: nn.Module, views: Tensor) -> Tensor:
        """In parts as equal as can be; BadParameterError where one would be a photograph alone, normalised by itself."""
        if self.groups > 1 and len(views) < 2 * self.groups:
            raise BadParameterError(
                f"{len(views)} photographs in {self.groups} groups leave one alone, without others for its batch statistics.",
                f"Choose a batch of {2 * self.groups} or more for each process, or fewer groups.",
            )
        return torch.cat([encode(part) for part in views.tensor_split(self.groups)])

    @torch.no_grad()
    def _false_negatives(self, labels: Tensor, scenes: Tensor) -> dict[str, Tensor]:
        known = labels[:, None] >= 0
        return {
            "same_person": (known & (labels[:, None] == self.queue_labels)).sum(dim=1).float().mean(),
            "same_scene": (scenes[:, None] == self.queue_scenes).sum(dim=1).float().mean(),
        }

    @torch.no_grad()
    def _enqueue(self, keys: Tensor, labels: Tensor, scenes: Tensor) -> None:
        """Put keys into the ring in place of the oldest; of more keys than it holds, the last ones."""
        size = len(self.queue)
        keys, labels, scenes = keys[-size:], labels[-size:], scenes[-size:]
        at = (self.pointer + torch.arange(len(keys), device=keys.device)) % size
        self.queue[at], self.queue_labels[at], self.queue_scenes[at] = keys.to(self.queue.dtype), labels, scenes
        self.pointer.add_(len(keys)).remainder_(size)
