"""The sample's report in Chromium, from disk: nothing missing, nothing loaded, nothing too wide."""

import pytest

from chatlib.pipeline.settings import NOTEBOOKS
from tests.pipeline.chromium import load_axe
from tests.pipeline.reading import Page, find_broken_links

PAGES = ("index", "explorer", *NOTEBOOKS)

pytestmark = pytest.mark.timeout(900)  # the first of them waits for the sample's run


@pytest.fixture(scope="module")
def axe(pytestconfig, tmp_path_factory):
    cache = getattr(pytestconfig, "cache", None)
    return load_axe(cache.mkdir("axe") if cache else tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_is_whole_on_a_phone_and_on_a_screen(chromium, sample_run, name, width):
    chromium.open(sample_run / f"{name}.html", width=width)
    seen = chromium.measure()
    assert seen["width"] <= width and seen["wide"] == []
    assert bool(seen["images"]) == (name != "explorer")
    assert (seen["broken"], seen["silent"], seen["scripts"]) == (0, 0, 1)
    assert seen["blurred"] == []
    assert chromium.complaints() == []
    assert chromium.requests_elsewhere() == []


@pytest.mark.parametrize("name", PAGES)
def test_its_links_lead_somewhere_and_it_is_light(sample_run, name):
    path = sample_run / f"{name}.html"
    assert find_broken_links(sample_run, Page(path.read_text(encoding="utf-8"))) == []
    assert path.stat().st_size < (1_000_000 if name == "index" else 3_000_000)


def test_a_script_that_slipped_into_a_page_would_not_run(chromium, sample_run, tmp_path):
    page = (sample_run / "index.html").read_text(encoding="utf-8")
    attack = "<script>window.hacked=1</script><img src=x onerror='window.hacked=1'>"
    (tmp_path / "index.html").write_text(page.replace("<h1>", attack + "<h1>"), encoding="utf-8")
    chromium.open(tmp_path / "index.html")
    assert chromium.measure()["hacked"] is False
    refused = [said for said in chromium.complaints() if "Content Security Policy" in said]
    assert any("script" in said for said in refused), refused
    (tmp_path / "open.html").write_text("<title>x</title>" + attack, encoding="utf-8")
    chromium.open(tmp_path / "open.html")
    assert chromium.measure()["hacked"] is True  # without the policy it would


def test_code_is_folded_away_until_it_is_asked_for(chromium, sample_run):
    chromium.open(sample_run / "03_pretrain.html", width=1280)
    shown = "return [...document.querySelectorAll('.input')].filter(e => e.checkVisibility()).length"
    assert chromium.driver.execute_script(shown) == 0
    chromium.driver.find_element("css selector", "#show-code").click()
    assert chromium.driver.execute_script(shown) > 10


@pytest.mark.parametrize(
    ("name", "scheme"), [*((n, "light") for n in PAGES), ("index", "dark"), ("01_collect", "dark")]
)
def test_contrast_names_and_alternative_texts(chromium, sample_run, axe, name, scheme):
    chromium.open(sample_run / f"{name}.html", width=1280, dark=scheme == "dark")
    if name in ("index", "01_collect"):  # the code of one chapter stands for all
        chromium.unfold()
    assert chromium.check_accessibility(axe) == []
