"""Schedules and parameter groups against their closed forms."""

import math

import pytest
import torch
from torch import nn

from facelab.errors import BadParameterError
from facelab.optim import make_optimizer, parameter_groups, warmup_cosine


def test_warmup_and_cosine_closed_form():
    factors = [warmup_cosine(step, total=100, warmup=10) for step in range(100)]
    assert factors[:10] == pytest.approx([(k + 1) / 10 for k in range(10)])
    assert factors[10] == pytest.approx(1.0)
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert all(late < early for early, late in zip(factors[10:], factors[11:], strict=False))


def test_biases_and_norms_are_not_decayed_and_frozen_weights_are_left_out():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    module[3].weight.requires_grad = False
    decayed, plain = parameter_groups(module, 0.1)
    assert decayed["weight_decay"] == 0.1 and plain["weight_decay"] == 0
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 3, 3)]
    assert len(plain["params"]) == 4


def test_unknown_names_and_rates_are_refused():
    groups = parameter_groups(nn.Linear(2, 2), 0)
    with pytest.raises(BadParameterError, match="sgd"):
        make_optimizer("lion", groups, 0.1)
    with pytest.raises(BadParameterError, match="positive"):
        make_optimizer("sgd", groups, 0.0)
    assert isinstance(make_optimizer("adamw", groups, 0.1), torch.optim.AdamW)
