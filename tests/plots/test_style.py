import base64
import io

import numpy as np
from PIL import Image

from chatlib.plots.style import house_style, label, new_panels
from chatlib.plots.timeline import POINTS_TYPE


@house_style
def draw(title):
    figure, (axes,) = new_panels(1, 1, width_in=4, height_in=2)
    axes.plot([0, 1], [0, 1], label=title)
    axes.set_title(title)
    axes.text(0, 0, title)
    axes.legend()
    return figure


def test_a_figure_shows_itself_sharp_with_its_title_as_alt_text():
    data, metadata = draw("Messages per minute")._repr_mimebundle_()
    assert metadata["image/png"] == {"width": 400, "height": 200, "alt": "Figure: Messages per minute"}
    assert len(data["image/png"]) > 1000


def test_a_figure_keeps_its_look_in_fewer_bytes():
    figure, plain = draw("Dots"), io.BytesIO()
    figure.axes[0].scatter(range(300), range(300), c=range(300))
    data, _ = figure._repr_mimebundle_()
    shown = io.BytesIO(base64.b64decode(data["image/png"]))
    figure.savefig(plain, format="png", dpi=200)
    assert len(shown.getvalue()) < 0.7 * len(plain.getvalue())
    before, after = (np.asarray(Image.open(png).convert("RGB")).astype(int) for png in (plain, shown))
    assert before.shape == after.shape
    assert abs(before - after).mean() < 1 and abs(before - after).max() < 64


def test_for_a_phone_panels_are_stacked_and_the_figure_stays_as_it_was():
    figure = house_style(new_panels)(1, 2, height_in=2, sharey=True)[0]
    figure.axes[1].set_title("a title of many words " * 4)
    with figure._fit_phone():
        figure.draw_without_rendering()
        assert figure.axes[0].get_yticklabels()[0].get_text() == "0.0"
    data, about = figure._repr_mimebundle_()
    narrow = data[POINTS_TYPE]["narrow"]
    assert (narrow["width"], narrow["height"], about["image/png"]["width"]) == (460, 400, 900)
    left, right = (axes.get_position() for axes in figure.axes)
    assert left.y0 == right.y0 and left.x1 < right.x0 and "\n" not in figure.axes[1].get_title()


def test_chat_text_is_drawn_literally():
    draw(r"$\frac{x$ _^ $$ 草生える #1 \n")._repr_mimebundle_()  # mathtext or a missing glyph would raise


def test_labels_are_one_one_line_of_bounded_length():
    assert label("a\nb\t\u202ec\x00") == "a b c"
    assert label("x" * 100, max_chars=10) == "x" * 9 + "…"
    assert label("配信 \N{HEART HANDS}\N{EMOJI MODIFIER FITZPATRICK TYPE-3} ok é 한") == "配信 ok é ▯"
    assert label("\N{HEART HANDS}\N{HEART HANDS}") == "(emoji)" and label(" ") == ""
