"""The picture of the project shows what the run's results say, and nothing else."""

import copy

from matplotlib.backends.backend_agg import FigureCanvasAgg

from chatlib.plots.outline import plot_outline
from tests.plots.results import CURVE, RECORD, RESULTS


def texts_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_three_columns_hold_the_runs_numbers():
    figure = plot_outline(RECORD, RESULTS)
    figure.draw_without_rendering()
    texts = texts_of(figure)
    assert [t for t in texts if t in ("Data collection", "Pre-training", "Prediction")] == [
        "Data collection", "Pre-training", "Prediction",
    ]  # fmt: skip
    said = " ".join(texts).replace("\n", " ")
    for words in (
        "20 streams, 34,721 messages",
        "4 streams, 7,454 messages",
        "42,175 messages, 2026-01-09 to 2026-05-24",
        "23,899 messages of 14 early streams",
        "blocks of 64 tokens, 15% hidden",
        "1.4 million weights, from scratch",
        "7 self-attention layers",
        "77 highlights and 9 spikes",
    ):
        assert words in said, words
    assert "(simulated)" in figure.get_suptitle()
    assert [t.strip() for t in texts if t.startswith(" ")] == [
        "2,792",
        "157",
        "185",
        "0.042",
        "0.079",
        "0.20",
        "0.22",
    ]


def test_the_small_plots_draw_the_results():
    _, people, perplexity, similarity, scores = plot_outline(RECORD, RESULTS).axes
    assert [bar.get_width() for bar in people.patches] == [2792, 157, 185]
    assert perplexity.lines[0].get_ydata().tolist() == [6874.8, 62.5]
    assert perplexity.lines[1].get_ydata()[0] == 921
    assert similarity.lines[1].get_ydata().tolist() == CURVE["similarity"]
    assert "seconds" in similarity.get_xlabel()
    assert [bar.get_width() for bar in scores.patches] == [0.0424, 0.0786, 0.1968, 0.2165]
    assert scores.get_title() == "Test: 77 of 1,817 viewers paid"


def test_real_chat_without_dates_and_a_model_of_somebody_elses():
    record, results = copy.deepcopy(RECORD), copy.deepcopy(RESULTS)
    record["data"] |= {"first_day": None, "last_day": None, "simulated_streams": 0}
    results["03_pretrain"]["base"] = "$x_$/a-name-that-is-quite-long"
    results["03_pretrain"]["coherence_after"] = {"curve": CURVE, "gone_after_messages": 3}
    results["04_predict"]["best_on_validation"] = "donor transformer"
    figure = plot_outline(record, results)
    figure.draw_without_rendering()
    said = " ".join(texts_of(figure))
    assert "simulated" not in figure.get_suptitle() + said
    assert "without dates" in said and "from $x_$/a-name-that-is…" in said
    assert figure.axes[3].get_xlabel() == "messages apart"
    assert len(figure.axes[4].patches) == 3


def test_what_belongs_to_a_column_stays_in_it():
    figure = plot_outline(RECORD, RESULTS)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    lefts, width, inch = (0.25, 4.25, 8.25), 3.5, figure.dpi
    sheet, *plots = figure.axes
    boxed = [text for text in sheet.texts if "\n" in text.get_text()]
    assert len(boxed) == 9
    for part in (*boxed, *plots):
        box = part.get_window_extent(renderer) if part in boxed else part.get_tightbbox(renderer)
        assert any(left * inch <= box.x0 and box.x1 <= (left + width) * inch for left in lefts), part
