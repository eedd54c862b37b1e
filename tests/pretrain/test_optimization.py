"""The learning rate over the steps of a training."""

import pytest
import torch

from chatlib.pretrain.optimization import make_optimizer, set_rate


def rates(schedule, *, warmup=0.2, n_steps=10):
    optimizer = make_optimizer(torch.nn.Linear(2, 2), lr=1.0, weight_decay=0.1)
    for step in range(n_steps):
        set_rate(optimizer, step=step, n_steps=n_steps, warmup=warmup, schedule=schedule)
        yield optimizer.param_groups[0]["lr"]


def test_it_rises_over_the_warm_up_and_then_follows_the_schedule():
    assert list(rates("constant")) == pytest.approx([0.5, *[1.0] * 9])
    assert list(rates("linear")) == pytest.approx(
        [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )
    cosine = list(rates("cosine"))
    assert cosine[:3] == pytest.approx([0.5, 1, 1])
    assert cosine[6] == pytest.approx(0.5)
    assert cosine[9] == pytest.approx(0.038, abs=1e-3)


def test_without_warm_up_it_starts_at_the_peak():
    assert next(rates("linear", warmup=0.0)) == 1.0


def test_only_matrices_decay():
    groups = make_optimizer(torch.nn.Linear(2, 3), lr=1.0, weight_decay=0.1).param_groups
    assert [(group["weight_decay"], [tuple(p.shape) for p in group["params"]]) for group in groups] == [
        (0.1, [(3, 2)]),
        (0.0, [(3,)]),
    ]
