"""What came out, for readers who know statistics and for those who do not: tables, sentences, pictures.

`attribute_messages` and `picture_viewers` show what a score of the donor transformer rests on. None of this
is a cause: what makes people pay stays open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from torch import nn

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.money import format_money
from chatlib.predict.evaluation import Calibrator, describe_interval, interval, to_logit
from chatlib.predict.forecast import EVERYBODY, Forecast
from chatlib.predict.models.transformer import DonorInputs, DonorTransformer, mean_vectors, represent_viewers
from chatlib.predict.protocol import BEST_POSSIBLE, Claim, Evaluation
from chatlib.predict.viewers.people import People
from chatlib.predict.viewers.table import Viewers
from chatlib.tables import format_share

__all__ = [
    "ViewerPlane",
    "answer_forecasts",
    "attribute_messages",
    "chosen_texts",
    "compare_questions",
    "describe_naive",
    "describe_result",
    "describe_transformer",
    "find_log_odds",
    "list_people",
    "pick_donor",
    "picture_viewers",
    "show_people",
    "summarize_groups",
]

_FEW_DONORS = 10
_COUNT = "message count"
_NOBODY = pd.DataFrame({"people": ["nobody"]})
_N_POINTS = 64  # of the quadrature
_MAX_OTHERS = 1000  # drawn in a picture of viewers


def show_people(people: People) -> pd.DataFrame:
    """Return some of what was known of ten viewers of the newest stream, and whether they paid in it."""
    if people.table.empty:
        return _NOBODY
    newest = people.table[people.table["stream_id"] == people.table["stream_id"].iloc[-1]]
    order = newest.sort_values(["paid", "visits"], ascending=False, kind="stable").index
    newest = newest.loc[[*order[:5], *order[5:][:: max((len(order) - 5) // 5, 1)][:5]]]
    ranks = people.ranks.reindex(newest["author"]).to_numpy()
    return pd.DataFrame(
        {
            "who": [f"viewer {rank:.0f}" for rank in ranks],
            "streams before": newest["visits"].to_numpy(int),
            "of the last 10 streams": newest["visits_of_last_10"].to_numpy(int),
            "messages a stream": newest["messages_per_visit"].to_numpy(float),
            "member's badge": np.where(newest["member"] > 0, "yes", "no"),
            "paid in": newest["paid_visits"].to_numpy(int),
            "days since paid": newest["days_since_paid"].to_numpy(float),
            "paid in this stream": np.where(newest["paid"], "yes", "no"),
        }
    )


def compare_questions(
    forecasts: Mapping[str, Forecast], ways: Mapping[str, float | None] | None = None
) -> pd.DataFrame:
    """Return one row per question: when it is asked, of how many, and how well it was answered lately.

    `ways` are shares of the way to the best possible score, of simulated chat (`measure_way`).
    """
    rows = []
    for name, forecast in forecasts.items():
        row: dict[str, object] = {"question": name, "asked": forecast.question.terms.moment}
        if forecast.rolling:
            table = forecast.rolling.table
            table = table[(table["question"] == "pays") & (table["group"] == EVERYBODY)]
            ours, *rules = table.to_dict("records")
            rule = max(rules, key=itemgetter("pr_auc"))
            row |= {
                "people asked about": int(ours["asked"]),
                "paid": int(ours["positives"]),
                "PR-AUC": round(ours["pr_auc"], 3),
                "95 %": describe_interval(ours["pr_auc_low"], ours["pr_auc_high"]).split("interval ")[1],
                "times chance": round(ours["lift"], 1),
                "ROC-AUC": round(ours["roc_auc"], 3),
            }
            if ours["positives"] < _FEW_DONORS:
                row |= dict.fromkeys(("PR-AUC", "times chance", "ROC-AUC")) | {"95 %": "too few paid"}
            if ways and (way := ways.get(name)) is not None:
                row["of the way"] = format_share(way)
            row["best simple rule"] = f"{rule['model']}: {rule['pr_auc']:.3f}"
        else:
            row["best simple rule"] = forecast.sentences[0]
        rows.append(row)
    return pd.DataFrame(rows).set_index("question")


def answer_forecasts(forecast: Forecast) -> list[str]:
    """Return who is expected in the next stream, and how far to believe it, in sentences."""
    table = forecast.table
    if not len(table):
        return forecast.sentences
    n_pay, n_come = table["p_pays"].sum(), table["p_comes"].sum()
    n = table["channel"].nunique()
    first = (
        f"{len(table):,} people were seen in the {forecast.question.days:g} days before the next stream"
        f"{f' of each of {n} channels, counted in each' if n > 1 else ''}; "
        f"about {n_come:,.0f} are expected to come and {n_pay:.1f} to pay."
    )
    return [first, *forecast.sentences]


def list_people(table: pd.DataFrame, *, status: str = "", n: int = 8) -> pd.DataFrame:
    """Return the first n people of `rank_people`, of one status or of all, for a reader.

    Raises: ParameterError for fewer than none.
    """
    if n < 0:
        raise ParameterError(f"TOP must be a number of people, 0 or more, got {n}.")
    if not len(table):
        return _NOBODY
    table = table[table["status"] == status] if status else table
    shown = ({"channel": table["channel"] + 1} if table["channel"].nunique() > 1 else {}) | {
        "who": table["who"],
        "pays": table["p_pays"].map(format_share),
        "comes": table["p_comes"].map(format_share),
        "expected": [
            format_money(amount, currency) if currency else ""
            for amount, currency in zip(table["expected_amount"], table["currency"].fillna(""), strict=True)
        ],
        "what speaks for it": table["reasons"],
    }
    shown_table = pd.DataFrame(shown).head(n)
    return shown_table if table["amount"].notna().any() else shown_table.drop(columns="expected")


def describe_transformer(evaluation: Evaluation, model: str, without: str, both: str) -> str:
    """Return in a sentence what a model adds to a blend without it, with the interval of the difference."""
    alone, together = (evaluation.table["pr_auc"][name] for name in (without, both))
    ends = interval(evaluation.draws[both][:, 0] - evaluation.draws[without][:, 0])
    return (
        f"Adding the {model} to {without} moves the PR-AUC from {alone:.3f} to {together:.3f} "
        f"({together - alone:+.3f}, {_judge(*ends)}."
    )


def _judge(low: float, high: float) -> str:
    """Return the interval of a difference, a parenthesis closed behind it, and whether chance explains it."""
    sure = "more than chance explains" if low > 0 or high < 0 else "no more than chance explains"
    verdict = "whether by chance is not known" if np.isnan(low) else sure
    return f"{describe_interval(low, high, form='+.3f')}): {verdict}"


def summarize_groups(evaluation: Evaluation, names: Sequence[str]) -> pd.DataFrame:
    """Return PR-AUC and ROC-AUC of some models by group of viewers, where ten or more paid."""
    groups = evaluation.groups.loc[list(names)].reset_index()
    areas = groups["pr_auc"].map("{:.3f}".format) + " / " + groups["roc_auc"].map("{:.3f}".format)
    groups["PR-AUC / ROC-AUC"] = areas.where(groups["donors"] >= _FEW_DONORS, "too few paid")
    table = groups.pivot(index=["group", "viewers", "donors"], columns="model", values="PR-AUC / ROC-AUC")
    return table[list(names)].reset_index()


def pick_donor(evaluation: Evaluation, model: str) -> int:
    """Return which of the viewers of test is the donor whom a model ranks first.

    Raises: NotEnoughData if nobody paid.
    """
    donors = np.flatnonzero(evaluation.labels)
    if not len(donors):
        raise NotEnoughData(f"A donor to look at must be among the {len(evaluation.labels)} viewers of test.")
    return int(donors[np.argmax(evaluation.probabilities[model][donors])])


def describe_result(evaluation: Evaluation, model: str) -> list[str]:
    """Return what came out as sentences for a reader who knows no statistics."""
    labels, n = evaluation.labels, len(evaluation.labels)
    size = max(1, round(n * 0.05))
    table = evaluation.table.to_dict("index")
    row = table[model]
    found = {name: table[name]["recall_top_5"] * labels.sum() for name in (model, _COUNT)}
    chance = labels.mean() * size
    pairs = row["roc_auc"] * 100
    sentences = [
        f"{int(labels.sum()):,} of {n:,} viewers of the test streams paid: {format_share(labels.mean())}.",
        f"Of the {size:,} viewers whom “{model}” names first, {found[model]:.0f} paid; of as many drawn by "
        f"lot, {chance:.1f} would have; of the {size:,} who wrote most, {found[_COUNT]:.0f} did.",
        f"Of one who paid and one who did not, “{model}” ranks the payer first {pairs:.0f} times in 100; "
        "a draw by lot does so 50 times.",
        f"The PR-AUC of “{model}” is {row['pr_auc']:.3f}, {row['lift']:.1f} times chance; that of counting "
        f"messages is {table[_COUNT]['pr_auc']:.3f}.",
        f"That is {row['gain']:+.3f} against counting messages ({_judge(row['gain_low'], row['gain_high'])}.",
    ]
    if min(evaluation.n_validation_donors, labels.sum()) < _FEW_DONORS:
        sentences.append(
            f"Validation has {evaluation.n_validation_donors} donor(s) and test {labels.sum()}, so what was "
            "chosen and these figures rest on next to nothing: another draw of streams could turn the order "
            "of the models."
        )
    if BEST_POSSIBLE in table:
        best = table[BEST_POSSIBLE]["roc_auc"]
        share = (row["roc_auc"] - 0.5) / (best - 0.5) if best > 0.5 else float("nan")
        way = f"goes {format_share(share)} of the way to it" if share > 0 else "is no better than chance"
        sentences.append(
            "The chat is simulated, so the best score that is possible is known: "
            f"ROC-AUC {best:.3f}; “{model}” {way}."
        )
    return sentences


def describe_naive(claim: Claim, evaluation: Evaluation, model: str) -> str:
    """Return the claim of the naive protocol beside the honest number of the same model.

    How far the ROC-AUC of its test, a tenth each of donors and others, strays: Hanley and McNeil 1982.
    """
    row = evaluation.table.to_dict("index")[model]
    if not np.isfinite(claim.roc_auc):
        return f"With {claim.viewers} viewers the naive protocol has too few donors to claim anything."
    gap, n = claim.roc_auc - row["roc_auc"], max(claim.viewers / 10, 1.0)
    a = min(claim.roc_auc, 1 - 0.5 / n)  # a small test that is all right may have been so by chance
    spread = np.sqrt((a * (1 - a) + (n - 1) * (a / (2 - a) + 2 * a**2 / (1 + a) - 2 * a**2)) / n**2)
    verdict = "Here it claims no more than is true."
    if gap > 0.02:
        sure = gap > 1.96 * spread
        verdict = (
            "So the naive one knows who paid." if sure else "Its test is too small to say what it knows."
        )
    return (
        f"Naive protocol: ROC-AUC {claim.roc_auc:.3f}, PR-AUC {claim.pr_auc:.3f} on {claim.viewers:,} "
        "viewers, half of them donors.\n"
        f"Honest protocol, the same {model}: ROC-AUC {row['roc_auc']:.3f}, PR-AUC {row['pr_auc']:.3f} where "
        f"{format_share(row['prevalence'])} are donors. {verdict}"
    )


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
