"""Why the donor model says what it says: messages, behaviours, pictures of viewers, and lift.

None of this says what makes people pay. It says what a score rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict.evaluation import Calibrator, average_precision, roc_auc, to_logit
from chatlib.predict.models.inputs import DonorInputs, choose_messages, iter_batches, mean_vectors
from chatlib.predict.models.transformer import DonorTransformer
from chatlib.predict.viewers.table import Viewers

__all__ = [
    "Attribution",
    "ViewerPlane",
    "attribute_messages",
    "chosen_texts",
    "find_log_odds",
    "lift_table",
    "permutation_importance",
    "picture_viewers",
    "project_viewers",
    "represent_viewers",
]


@dataclass(frozen=True)
class Attribution:
    """What one viewer's score rests on.

    `table` has a row per message that the model read, oldest first: offset_s; attention_rollout,
    the share of the CLS token's attention that comes from it, which adds up to 1; and
    integrated_gradients, the log odds that it adds. These add up to `log_odds`, what the model
    says, minus `baseline`, what it says of as many average messages at an average time.
    """

    table: pd.DataFrame
    log_odds: float
    baseline: float


def attribute_messages(
    model: DonorTransformer, inputs: DonorInputs, row: int, *, n_steps: int = 64
) -> Attribution:
    """Return how much each message of a viewer counts, by attention and by integrated gradients.

    Attention is rolled out over all layers: each layer's weights, averaged over heads, half
    themselves and half the residual path, multiplied from first to last (Abnar and Zuidema 2020).
    It shows where the model looks, not in which direction that moves the score. Integrated
    gradients follow the score from average messages to the real ones, in `n_steps` points of
    Gauss-Legendre quadrature, vector and times together (Sundararajan, Taly and Yan 2017); they
    add up to the change in log odds, as nearly as the steps allow.

    Raises: ParameterError without a step.
    """
    if n_steps < 1:
        raise ParameterError(f"There must be at least one step, got {n_steps}.")
    model.eval()
    vectors, times, _ = _load_batch(model, inputs, np.array([row]))
    x = torch.cat([vectors, times], dim=-1)
    with torch.no_grad():
        log_odds, weights = _forward_with_weights(model, x)
        baseline, _ = _forward_with_weights(model, model.mean.expand_as(x))
    start, end = inputs.starts[row], inputs.starts[row + 1]
    table = pd.DataFrame(
        {
            "offset_s": inputs.times[start:end, 0],
            "attention_rollout": _roll_out(weights),
            "integrated_gradients": _integrate_gradients(model, x, n_steps),
        }
    )
    return Attribution(table, float(log_odds), float(baseline))


def chosen_texts(viewers: Viewers, row: int, *, max_messages: int = 64, choice: str = "even") -> list[str]:
    """Return the messages of a viewer that the model read, in the order of its attribution.

    `max_messages` and `choice` are those that the inputs were built with.
    """
    chosen = choose_messages(viewers.starts[row : row + 2], max_messages=max_messages, choice=choice)
    return [viewers.texts[code] for code in viewers.text_codes[chosen]]


def _load_batch(
    model: DonorTransformer, inputs: DonorInputs, rows: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    codes, times, mask = inputs.pad(rows)
    tensors = (torch.from_numpy(a).to(model.cls.device) for a in (inputs.vectors[codes], times, mask))
    vectors, times, mask = tensors
    return vectors, times, mask


def _forward_with_weights(
    model: DonorTransformer, x: torch.Tensor
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return log odds, as the model does, and each layer's attention averaged over heads.

    `x` are one viewer's messages, vectors and times together, shape (1, m, dim + 2).
    """
    x = (x - model.mean) / model.spread
    x = model.reduce(torch.cat([model.cls.expand(1, 1, -1), x], dim=1))
    weights = []
    for layer in range(model.config.n_layers):
        block = model.blocks[0 if model.config.shared else layer]
        y = block.norm_1(x)
        key, value = (block._split(t) for t in block.key_value(y).chunk(2, dim=-1))
        query = block._split(block.query(y))
        attention = torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1)
        x = x + block.out((attention @ value).transpose(1, 2).flatten(2))
        x = x + block.back(F.gelu(block.forth(block.norm_2(x))))
        weights.append(attention[0].mean(dim=0))
    return model.head(model.norm(x[:, 0])).squeeze(), weights


def _roll_out(weights: Sequence[torch.Tensor]) -> np.ndarray:
    """Return the messages' shares of what reaches the CLS token, without its own share."""
    flow = torch.eye(len(weights[0]), device=weights[0].device)
    for layer in weights:
        flow = (layer + torch.eye(len(layer), device=layer.device)) / 2 @ flow
    shares = flow[0, 1:]
    return (shares / shares.sum()).cpu().double().numpy()


def _integrate_gradients(model: DonorTransformer, x: torch.Tensor, n_steps: int) -> np.ndarray:
    points, shares = np.polynomial.legendre.leggauss(n_steps)
    # Where all messages are alike, the score bends most: squared, the points crowd there.
    points, shares = ((points + 1) / 2) ** 2, shares * (points + 1) / 2
    difference, total = x - model.mean, torch.zeros_like(x)
    mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    for point, share in zip(points, shares, strict=True):
        at = (model.mean + float(point) * difference).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(model(at[..., :-2], at[..., -2:], mask).sum(), at)
        total += float(share) * gradient
    return (total * difference).sum(dim=-1)[0].cpu().double().numpy()


def permutation_importance(
    score: Callable[[pd.DataFrame], np.ndarray],
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: Mapping[str, Sequence[str]],
    *,
    n_repeats: int = 10,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return what scores lose when a group of columns is shuffled among viewers (Breiman 2001).

    The columns of a group move together, so that what stands in one of them cannot be read from
    the next. One row per group, the greatest loss first: pr_auc_drop and roc_auc_drop, means
    over `n_repeats` shuffles, and their standard deviations, pr_auc_std and roc_auc_std. A group that
    another one can replace seems to matter less than it does.

    Raises: ParameterError for an unknown column or no repeat; NotEnoughData without both classes.
    """
    unknown = sorted({name for columns in groups.values() for name in columns} - set(features.columns))
    if unknown or n_repeats < 1:
        raise ParameterError(
            "Groups must name columns of the features, and there must be at least one repeat; "
            f"got unknown columns {unknown} and {n_repeats} repeats."
        )
    labels = np.asarray(labels, bool)
    if not 0 < labels.sum() < len(labels):
        raise NotEnoughData(
            "Importance needs donors and others; got "
            f"{int(labels.sum())} donors among {len(labels)} viewers. Add streams."
        )
    whole = _measure(labels, score(features))
    rows = {}
    for group, columns in groups.items():
        drops = []
        for _ in range(n_repeats):
            order = rng.permutation(len(features))
            moved = {name: features[name].to_numpy()[order] for name in columns}
            drops.append(whole - _measure(labels, score(features.assign(**moved))))
        mean, spread = np.mean(drops, axis=0), np.std(drops, axis=0)
        rows[group] = (mean[0], spread[0], mean[1], spread[1])
    names = ["pr_auc_drop", "pr_auc_std", "roc_auc_drop", "roc_auc_std"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("group")
    return table.sort_values("pr_auc_drop", ascending=False, kind="stable")


def _measure(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.array([average_precision(labels, scores), roc_auc(labels, scores)])


@dataclass(frozen=True)
class ViewerPlane:
    """Viewers in two pictures, before and after training; `labels` say who paid.

    `before` are the first two principal components of mean message vectors, shape (n, 2);
    `explained` are their shares of the variance. `after` are CLS outputs. With a linear head its
    first axis is the direction of the head's weights, its second the first principal component of
    what is left at right angles to it; so the model names exactly the viewers to the right of
    `line`. Without a linear head both axes are principal components and `line` is None.
    """

    before: np.ndarray
    after: np.ndarray
    labels: np.ndarray
    explained: tuple[float, float]
    line: float | None


def picture_viewers(
    model: DonorTransformer,
    inputs: DonorInputs,
    labels: np.ndarray,
    *,
    rows: np.ndarray,
    log_odds: float = 0.0,
    max_others: int = 2000,
    rng: np.random.Generator,
) -> ViewerPlane:
    """Return the pictures of all donors among `rows` and of at most `max_others` others, drawn.

    `log_odds` are those from which on the model names a viewer (see `find_log_odds`).
    """
    labels = np.asarray(labels, bool)
    donors, others = rows[labels[rows]], rows[~labels[rows]]
    drawn = rng.choice(others, min(len(others), max_others), replace=False)
    rows = np.sort(np.concatenate([donors, drawn]))
    head = model.head[0] if model.config.head == "linear" else None
    after = represent_viewers(model, inputs, rows)
    return project_viewers(mean_vectors(inputs)[rows], after, labels[rows], head=head, log_odds=log_odds)


def represent_viewers(
    model: DonorTransformer, inputs: DonorInputs, rows: np.ndarray, *, batch_messages: int = 16384
) -> np.ndarray:
    """Return the CLS output of these viewers, float32, shape (len(rows), width).

    No more than `batch_messages` padded messages are in memory at a time.
    """
    model.eval()
    place = np.empty(len(inputs.lengths), np.int64)
    place[rows] = np.arange(len(rows))
    result = np.empty((len(rows), model.config.width), np.float32)
    with torch.inference_mode():
        for batch in iter_batches(inputs.lengths, rows, max_tokens=batch_messages):
            result[place[batch]] = model.represent(*_load_batch(model, inputs, batch)).cpu().numpy()
    return result


def project_viewers(
    before: np.ndarray,
    after: np.ndarray,
    labels: np.ndarray,
    *,
    head: nn.Linear | None = None,
    log_odds: float = 0.0,
) -> ViewerPlane:
    """Return two-dimensional pictures of the same viewers before (n, a) and after (n, b) training.

    `head` is the layer that makes a number of `after`, where that is linear.
    Raises: NotEnoughData below three viewers.
    """
    if len(before) < 3:
        raise NotEnoughData(f"A picture needs at least three viewers, got {len(before)}. Add streams.")
    first, explained = _fit_plane(before)
    if head is None:
        return ViewerPlane(first, _fit_plane(after)[0], np.asarray(labels, bool), explained, None)
    weight = head.weight.detach().cpu().double().numpy()[0]
    norm = max(float(np.linalg.norm(weight)), 1e-12)
    along = after @ (weight / norm)
    rest = after - along[:, None] * (weight / norm)
    second = np.stack([along, _fit_plane(rest)[0][:, 0]], axis=1)
    line = (log_odds - float(head.bias.detach())) / norm
    return ViewerPlane(first, second, np.asarray(labels, bool), explained, line)


def _fit_plane(table: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the first two principal components, and their shares of the variance."""
    pca = PCA(2, svd_solver="full")
    with np.errstate(invalid="ignore", divide="ignore"):  # viewers all alike have no variance
        plane = pca.fit_transform(np.asarray(table, float))
    one, two = np.nan_to_num(pca.explained_variance_ratio_)
    return plane, (float(one), float(two))


def find_log_odds(calibrator: Calibrator, threshold: float) -> float:
    """Return the model's log odds at which its calibrated probability is `threshold`."""
    return float((to_logit(np.array(threshold)) - calibrator.shift) / calibrator.slope)


def lift_table(
    labels: np.ndarray, probabilities: np.ndarray, *, shares: Sequence[float] | None = None
) -> pd.DataFrame:
    """Return how many of the donors are found when the first so many viewers are named.

    Columns: share_named, share_found, lift (found over named; NaN where nobody is named). One row
    per distinct probability from the highest on, or per share of `shares`; of viewers who tie,
    a part is taken to hold donors in proportion.

    Raises: NotEnoughData without a donor; ParameterError for a share beyond 0 to 1.
    """
    labels, probabilities = np.asarray(labels, bool), np.asarray(probabilities, float)
    if not labels.any():
        raise NotEnoughData(f"A lift needs at least one donor, got none among {len(labels)} viewers.")
    order = np.argsort(-probabilities, kind="stable")
    ends = np.flatnonzero(np.diff(probabilities[order], append=-np.inf) != 0)
    named = np.concatenate([[0.0], (ends + 1) / len(labels)])
    found = np.concatenate([[0.0], np.cumsum(labels[order])[ends] / labels.sum()])
    if shares is not None:
        wanted = np.asarray(shares, float)
        if ((wanted < 0) | (wanted > 1)).any():
            raise ParameterError(f"Shares must be between 0 and 1, got {list(shares)}.")
        named, found = wanted, np.interp(wanted, named, found)
    lift = np.divide(found, named, out=np.full(len(named), np.nan), where=named > 0)
    return pd.DataFrame({"share_named": named, "share_found": found, "lift": lift})
