"""What a score rests on: messages, behaviours, and where viewers stand before and after training.

None of this is a cause: what makes people pay stays open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from torch import nn

from chatlib.errors import NotEnoughData
from chatlib.predict.evaluation import Calibrator, to_logit
from chatlib.predict.models.transformer import (
    DonorInputs,
    DonorTransformer,
    mean_vectors,
    represent_viewers,
)
from chatlib.predict.viewers.table import Viewers

__all__ = [
    "ViewerPlane",
    "attribute_messages",
    "chosen_texts",
    "find_log_odds",
    "picture_viewers",
]

_N_POINTS = 64  # of the quadrature
_MAX_OTHERS = 1000  # drawn in a picture of viewers


def attribute_messages(model: DonorTransformer, inputs: DonorInputs, row: int) -> pd.DataFrame:
    """Return how much each message of a viewer that the model read counts, by integrated gradients.

    They follow the score from average messages at an average time to the real ones, in points of
    Gauss-Legendre quadrature, vector and times together (Sundararajan, Taly and Yan 2017). Columns, oldest
    message first: offset_s, and integrated_gradients, the log odds that it adds; these add up to the change
    in the model's log odds, as nearly as the points allow.
    """
    model.eval()
    vectors, times, mask = inputs.load(np.array([row]), torch.from_numpy(inputs.vectors).to(model.cls.device))
    gradients = _integrate_gradients(model, torch.cat([vectors, times], dim=-1), mask)
    offsets_s = inputs.times[inputs.starts[row] : inputs.starts[row + 1], 0]
    return pd.DataFrame({"offset_s": offsets_s, "integrated_gradients": gradients})


def chosen_texts(viewers: Viewers, row: int) -> list[str]:
    """Return the messages of a viewer that a model read, in the order of its attribution."""
    start, end = viewers.starts[row : row + 2]
    return [viewers.texts[code] for code in viewers.text_codes[start:end]]


def _integrate_gradients(model: DonorTransformer, x: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    nodes, weights = np.polynomial.legendre.leggauss(_N_POINTS)
    # Where all messages are alike, the score bends most: squared, the points crowd there.
    crowded = ((nodes + 1) / 2) ** 2, weights * (nodes + 1) / 2
    points, shares = (torch.from_numpy(a).to(x)[:, None, None] for a in crowded)
    difference = x - model.mean
    at = (model.mean + points * difference).requires_grad_()  # all points in one batch
    with torch.enable_grad():
        (gradients,) = torch.autograd.grad(model(*model.split(at), mask.expand(len(at), -1)).sum(), at)
    return ((shares * gradients).sum(dim=0) * difference[0]).sum(dim=-1).cpu().double().numpy()


@dataclass(frozen=True)
class ViewerPlane:
    """Viewers in two pictures, before and after training; `labels` mark who paid.

    `before` are the first two principal components of mean message vectors, shape (n, 2),
    `after` are CLS outputs. With a linear head its
    first axis is the direction of the head's weights, its second the first principal component of
    what is left at right angles to it; so the model names exactly the viewers to the right of
    `line`. Without a linear head both axes are principal components and `line` is None.
    `rows` are those of the viewers.
    """

    before: np.ndarray
    after: np.ndarray
    labels: np.ndarray
    line: float | None
    rows: np.ndarray


def picture_viewers(
    model: DonorTransformer,
    inputs: DonorInputs,
    labels: np.ndarray,
    *,
    rows: np.ndarray,
    log_odds: float = 0.0,
    rng: np.random.Generator,
) -> ViewerPlane:
    """Return the pictures of all donors among `rows`, and of a draw of the others if there are many.

    `log_odds` are those from which on the model names a viewer (see `find_log_odds`).
    Raises: NotEnoughData below three viewers.
    """
    labels = np.asarray(labels, bool)
    donors, others = rows[labels[rows]], rows[~labels[rows]]
    drawn = rng.choice(others, min(len(others), _MAX_OTHERS), replace=False)
    rows = np.sort(np.concatenate([donors, drawn]))
    if len(rows) < 3:
        raise NotEnoughData(f"A picture needs at least three viewers, got {len(rows)}. Add streams.")
    before, after = _fit_plane(mean_vectors(inputs)[rows]), represent_viewers(model, inputs, rows)
    head = model.head[0]
    if model.config.head != "linear" or not isinstance(head, nn.Linear):
        return ViewerPlane(before, _fit_plane(after), labels[rows], None, rows)
    weight = head.weight.detach().cpu().double().numpy()[0]
    norm = max(float(np.linalg.norm(weight)), 1e-12)
    along = after @ (weight / norm)
    rest = after - along[:, None] * (weight / norm)
    line = (log_odds - float(head.bias.detach())) / norm
    return ViewerPlane(before, np.stack([along, _fit_plane(rest)[:, 0]], axis=1), labels[rows], line, rows)


def _fit_plane(table: np.ndarray) -> np.ndarray:
    """Return the first two principal components."""
    with np.errstate(invalid="ignore", divide="ignore"):  # viewers all alike have no variance
        return PCA(2, svd_solver="covariance_eigh").fit_transform(np.asarray(table, float))


def find_log_odds(calibrator: Calibrator, threshold: float) -> float:
    """Return the model's log odds at which its calibrated probability is `threshold`."""
    return float((to_logit(np.array(threshold)) - calibrator.shift) / calibrator.slope)
