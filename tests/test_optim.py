"""Schedules and parameter groups against their closed forms."""

import math

import pytest
import torch
from torch import nn

from facelab.errors import BadParameterError
from facelab.optim import OPTIMIZERS, make_optimizer, parameter_groups, scaled_lr, warmup_cosine


def test_warmup_and_cosine_closed_form():
    factors = [warmup_cosine(step, total=100, warmup=10) for step in range(100)]
    assert factors[:10] == pytest.approx([(k + 1) / 10 for k in range(10)])
    assert factors[10] == pytest.approx(1.0)
    assert factors[55] == pytest.approx(0.5)
    assert factors[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert all(late < early for early, late in zip(factors[10:], factors[11:], strict=False))


def test_scaling_rules_closed_form():
    assert scaled_lr(4096) == scaled_lr(4096, "sqrt") == pytest.approx(4.8)  # section 2.3
    assert scaled_lr(256) == pytest.approx(0.3) and scaled_lr(64) == pytest.approx(0.075)
    assert scaled_lr(256, "sqrt") == pytest.approx(1.2) and scaled_lr(64, "sqrt") == pytest.approx(0.6)
    for batch_size, rule, said in ((0, "linear", "1 or more"), (256, "cube", "linear, sqrt")):
        with pytest.raises(BadParameterError, match=said):
            scaled_lr(batch_size, rule)


def test_biases_and_norms_are_not_decayed_and_frozen_weights_are_left_out():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    module[3].weight.requires_grad = False
    decayed, plain = parameter_groups(module, 0.1)
    assert decayed["weight_decay"] == 0.1 and plain["weight_decay"] == 0
    assert decayed["adapt"] and not plain["adapt"]
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 3, 3)]
    assert len(plain["params"]) == 4


def test_unknown_names_and_rates_are_refused():
    groups = parameter_groups(nn.Linear(2, 2), 0)
    with pytest.raises(BadParameterError, match="sgd"):
        make_optimizer("lion", groups, 0.1)
    with pytest.raises(BadParameterError, match="positive"):
        make_optimizer("sgd", groups, 0.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_name_makes_an_optimiser_that_descends(name):
    module, target = nn.Linear(3, 2), torch.ones(4, 2)
    optimizer = make_optimizer(name, parameter_groups(module, 1e-4), 0.05)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        losses.append(nn.functional.mse_loss(module(torch.ones(4, 3)), target))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    assert (type(optimizer) is torch.optim.AdamW) == (name == "adamw")
