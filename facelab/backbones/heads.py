"""What goes on top of an embedding: classifiers, projection heads and expanders, all of them one MLP."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from facelab.errors import BadParameterError


def mlp_head(
    in_features: int,
    sizes: Sequence[int],
    *,
    norm: bool = False,
    last_norm: bool = False,
    last_bias: bool = True,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Linear layers with ReLU between them: (N, in_features) to (N, sizes[-1]).

    The course's heads: classifier ``(256, 128, classes)``; SupCon, MoCo v2 and SimCLR ``(512, 128)``; SimCLR v2 three
    sizes; VICReg's expander ``(8192, 8192, 8192), norm=True, last_bias=False``.

    Args:
        in_features: length of the embedding.
        sizes: outputs of each linear layer.
        norm: batch norm after each linear layer but the last; these layers then have no bias, which it would undo.
        last_norm: batch norm after the last linear layer.
        last_bias: bias of the last linear layer, where no batch norm follows it.
        dropout: share of the hidden units that is dropped after each ReLU, below 1.

    Returns:
        The head, with torch's default initialisation.

    Raises:
        BadParameterError: no sizes, or one below 1.
    """
    if not sizes or min(in_features, *sizes) < 1:
        raise BadParameterError(f"A head of {in_features} features and sizes {sizes!r}.", "Give whole numbers above 0.")
    widths = (in_features, *sizes)
    modules: list[nn.Module] = []
    for inputs, outputs in zip(widths[:-2], widths[1:-1], strict=True):
        modules.append(nn.Linear(inputs, outputs, bias=not norm))
        modules += [nn.BatchNorm1d(outputs)] if norm else []
        modules.append(nn.ReLU(inplace=True))
        modules += [nn.Dropout(dropout)] if dropout else []
    modules.append(nn.Linear(widths[-2], widths[-1], bias=last_bias and not last_norm))
    modules += [nn.BatchNorm1d(widths[-1])] if last_norm else []
    return nn.Sequential(*modules)
