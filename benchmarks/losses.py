"""Losses alone, forward and backward, where they are large: big batches, a long queue, many classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightly.loss import NTXentLoss, VICRegLoss
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

from benchmarks.contenders import arc_face_loss, cos_face_loss
from benchmarks.timing import OURS, Effort, Row, compare
from facelab.losses import arc_face, cos_face, info_nce, nt_xent, sup_con, vicreg
from facelab.methods.margin_heads import CosineHead

TITLE = "A loss alone, forward and backward"
DIMENSION = 128
MARGINS = {"ArcFace": (arc_face, 0.5, arc_face_loss), "CosFace": (cos_face, 0.35, cos_face_loss)}


def measure(effort: Effort) -> list[Row]:
    """Contrastive losses and VICReg beside lightly, SupCon and the margin losses beside pytorch-metric-learning."""
    torch.manual_seed(0)
    n, keys, width = effort.choose((16, 64, 32), (2048, 65536, 2048))
    first, second = (torch.randn(n, DIMENSION, requires_grad=True) for _ in range(2))
    queue = torch.nn.functional.normalize(torch.randn(keys, DIMENSION))
    wide = [torch.randn(n, width, requires_grad=True) for _ in range(2)]
    people = torch.arange(n) // 2
    alone, bank = NTXentLoss(temperature=0.1), NTXentLoss(temperature=0.2, memory_bank_size=(keys, DIMENSION))
    lightly_vicreg, metric_sup_con = VICRegLoss(), SupConLoss(temperature=0.1)
    beside_lightly: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
        f"NT-Xent, {n:,} photographs": (lambda: nt_xent(first, second, 0.1), lambda: alone(first, second)),
        f"InfoNCE, {n // 8:,} queries, {keys:,} keys": (
            lambda: info_nce(first[: n // 8], second[: n // 8].detach(), queue, 0.2),
            lambda: bank(first[: n // 8], second[: n // 8].detach()),
        ),
        f"VICReg, {n:,} photographs, {width:,} dimensions": (
            lambda: vicreg(*wide).loss,
            lambda: lightly_vicreg(*wide),
        ),
    }
    rows = [_measure(name, ours, "lightly", theirs, effort) for name, (ours, theirs) in beside_lightly.items()]

    def both() -> tuple[Tensor, Tensor]:
        return torch.cat([first, second]), people.repeat(2)

    name = f"SupCon, {n:,} photographs"
    metric = "pytorch-metric-learning"
    rows.append(_measure(name, lambda: sup_con(*both(), 0.1), metric, lambda: metric_sup_con(*both()), effort))
    return rows + [_measure_margin(name, effort) for name in MARGINS]


def _measure_margin(name: str, effort: Effort) -> Row:
    n, classes = effort.choose((16, 100), (256, 100_000))
    x, labels = torch.randn(n, DIMENSION, requires_grad=True), torch.randint(classes, (n,))
    function, margin, build = MARGINS[name]
    head = CosineHead(DIMENSION, classes, lambda cos, m: function(cos, m), margin, scale=30)
    theirs = build(classes, DIMENSION)
    return _measure(
        f"{name}, {n:,} photographs, {classes:,} classes",
        lambda: head(x, labels)["loss"],
        "pytorch-metric-learning",
        lambda: theirs(x, labels),
        effort,
    )


def _measure(name: str, ours: Callable[[], Tensor], other: str, theirs: Callable[[], Tensor], effort: Effort) -> Row:
    functions = {OURS: lambda: ours().backward(), other: lambda: theirs().backward()}
    return compare(name, "s", effort.side_by_side(functions, rounds=5))
