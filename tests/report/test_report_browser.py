"""The page in a real browser: readable by everyone at every width, and what can be clicked does what it says."""

import json
from pathlib import Path

import pytest
from browser import chromium, faults, opened, violations
from nbformat.v4 import new_markdown_cell
from report_workshop import Workshop

from sface_lib.chapters.looks import COLOURS, contrast, indexed
from sface_lib.run import Chapter

pytestmark = pytest.mark.processes

DRAW = """
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from sface_lib.run.fragments import Finding, Sheet
fig, axes = plt.subplots(1, 2, figsize=(12, 4))
axes[0].plot([1, 2], label="verifier")
axes[0].set(xlabel="rank", ylabel="EER")
frame = pd.DataFrame({"model": ["b", "a", "c"], "images": [20000, 900, 3000], "a rather long heading": ["x y z"] * 3})
cards = [
    Finding("Does it leak?", "12.5 %", "[10, 15]", badge, "It does.", ("91_first.names", "The table"))
    for badge in ("yes", "no", "undecided", "not reliable")
]
stage.headline("Nobody's faces.", cards, ["One seed."], frame, "Every set.")
stage.figure((fig, frame), "curve", alt="A rising line.", caption="EER rises.")
stage.picture(np.full((80, 800, 3), 200, np.uint8), "face", alt="A face.", caption="A face.", shows="synthetic")
faces = np.zeros((24, 30, 3), np.uint8)
faces[14:24, 20:30] = (255, 0, 0)
where = Sheet(10, 2, ("class 0", "class 1"), ("0 %", "100 %"))
stage.picture(faces, "between", alt="Four faces.", caption="Four faces.", shows="synthetic", sheet=where)
stage.table(pd.DataFrame({f"column {i}": [0.5, 1500.25] for i in range(30)}), "wide", "Thirty columns.")
stage.table(frame, "names", "Three models.")
stage.table(frame, "again", "Three models again.", folded=True)
scores = pd.DataFrame({"threshold": [0.0, 0.5, 1.0], "genuine (%)": [10.0, 30, 60], "impostor (%)": [80.0, 19, 1],
                       "FMR (%)": [100.0, 20, 1], "FNMR (%)": [0.0, 10, 40]})
stage.thresholds(scores, "thresholds", "Scores by threshold.", "#ff0000")
stage.say("See [the models](#91_first.names) and [what was not drawn](#91_first.missing); `code`, and EER.")
stage.finish()
"""
TEXT = "## First part\n\nThe EER, **twice**: EER. As SFace did.\n\n### Smaller\n\n- one\n- two"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    workshop = Workshop(tmp_path_factory.mktemp("page"))
    workshop.notebook("91_first", new_markdown_cell(TEXT), DRAW)
    rows = ({"name": "psi", "value": 0.7, "default": 1.0, "description": "Truncation."},)
    assert workshop.run(stages=(Chapter("91_first", "First"),), parameter_rows=rows)[0] == 0
    return workshop.folder / "runs" / "a" / "report.html"


@pytest.fixture
def page(browser, report):
    with opened(browser, report) as page:
        yield page
        assert page.complaints == []


def test_nothing_is_wrong_at_any_width(browser, report):
    assert faults(browser, report) == []


def test_the_faults_are_found(browser, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(
        "<!DOCTYPE html><html><head><title>x</title></head><body><p id=a>a</p><p id=a>b</p><a href='#c'>c</a>"
        "<div style='width: 3000px'>wide</div><img src='http://a.example/x.png'></body></html>"
    )
    found = "\n".join(faults(browser, broken))
    for fault in (
        "id twice: a",
        "link to nothing: c",
        "too wide: DIV",
        "a.example",
        "axe image-alt",
        "axe html-has-lang",
    ):
        assert fault in found


def test_the_first_screen_answers(page):
    """Findings are read without scrolling, each with its badge and a link to its evidence."""
    for card in page.query_selector_all(".finding"):
        assert card.bounding_box()["y"] < 900
    assert len(page.query_selector_all(".finding")) == 4
    assert "Limits of this run" in page.inner_text(".first") and "One seed." in page.inner_text(".first")
    assert page.inner_text(".finding .evidence") == "The table (Table 2)"


def test_a_click_on_a_heading_sorts_by_value_and_the_third_restores(page):
    table, button = "table[id='91_first.names']", "table[id='91_first.names'] th:nth-child(2) button"
    first = f"{table} tbody tr td:nth-child(2)"
    numbers = []
    for _ in range(3):
        page.click(button)
        numbers.append([cell.inner_text() for cell in page.query_selector_all(first)])
    assert numbers == [["900", "3,000", "20,000"], ["20,000", "3,000", "900"], ["20,000", "900", "3,000"]]


def test_the_slider_moves_the_threshold_and_the_point_on_the_roc(browser, page, report):
    """It begins where the error rates are nearest to each other; keys and clicks on scores and ROC move it."""
    said, mark = ".slider output", ".slider line.threshold"
    places = [(page.inner_text(said), page.get_attribute(mark, "x1"), page.get_attribute(".slider circle", "cy"))]
    page.focus(".slider input")
    page.keyboard.press("ArrowRight")
    places.append((page.inner_text(said), page.get_attribute(mark, "x1"), page.get_attribute(".slider circle", "cy")))
    assert [place[0] for place in places] == [
        *("0.500: FMR\u00a020\u00a0%, FNMR\u00a010\u00a0%", "1.000: FMR\u00a01\u00a0%, FNMR\u00a040\u00a0%")
    ]
    assert [float(place[1]) for place in places] == [200, 400] and float(places[0][2]) < float(places[1][2])
    page.hover(".slider .densities", position={"x": 2, "y": 20})
    assert page.inner_text(said).startswith("1.000")  # Passing over it changes nothing.
    page.click(".slider .densities", position={"x": 2, "y": 20})
    assert page.inner_text(said).startswith("0.000: FMR\u00a0100")
    page.click(".slider .roc", position={"x": 2, "y": 20})
    assert page.inner_text(said).startswith("1.000")
    assert page.inner_text(".slider .about") == "Scores by threshold."
    table = "details.thresholds table[id='91_first.thresholds']"
    assert page.query_selector(table).is_hidden()
    with opened(browser, report, java_script_enabled=False) as still:
        assert still.query_selector(".slider") is None
        still.click("details.thresholds summary")
        assert still.query_selector(table).is_visible()


def test_the_slider_has_the_colour_of_its_set_and_says_what_is_drawn(page):
    fill = "getComputedStyle(document.querySelector('.slider .densities .genuine')).fill"
    assert page.evaluate(fill) == "rgb(255, 0, 0)"
    assert page.inner_text(".slider .key").split() == ["genuine", "scores", "those", "accepted", "impostor", "scores"]
    assert "1 − FNMR" in page.text_content(".slider .roc")


def test_on_a_phone_the_slider_can_be_read_and_a_cut_table_keeps_its_first_column(browser, report):
    with opened(browser, report, 390) as page:
        sizes = "[...document.querySelectorAll('.slider .axis')].map((each) => each.getBoundingClientRect().height)"
        assert min(page.evaluate(sizes)) > 11
        first = page.query_selector("table[id='91_first.wide'] tbody th")
        before = first.bounding_box()["x"]
        page.evaluate("document.getElementById('91_first.wide').parentElement.scrollLeft = 300")
        assert first.bounding_box()["x"] == before
        width = page.query_selector("table[id='91_first.wide'] thead th").bounding_box()["width"]
        assert width > 45  # No word is broken into letters.


def test_in_the_dark_every_colour_of_a_figure_is_seen(browser, report):
    """Colours go through the page's own filter, and are held against its ground."""
    shades = [look.variant(i).colour for look in map(indexed, range(len(COLOURS))) for i in range(3)]
    painted = """(colours) => {
      const filter = getComputedStyle(document.querySelector(".shows-plot img")).filter;
      const to = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      return colours.map((colour) => {
        to.filter = filter;
        to.fillStyle = colour;
        to.fillRect(0, 0, 1, 1);
        return [...to.getImageData(0, 0, 1, 1).data];
      });
    }"""
    with opened(browser, report, color_scheme="dark") as page:
        found = [[part / 255 for part in colour[:3]] for colour in page.evaluate(painted, shades)]
    assert min(contrast(colour, "#14181d") for colour in found) >= 3


def test_a_folded_table_is_numbered_and_opens(page):
    table = page.query_selector("details.folded table[id='91_first.again']")
    assert table.is_hidden()
    summary = page.query_selector("details.folded:has-text('Three models again.') summary")
    assert summary.inner_text() == "Table 3. Three models again."
    summary.click()
    assert table.is_visible()


def test_print_has_what_can_be_read_and_nothing_to_click(browser, report):
    """Of a folded table its line stands; code, files and controls do not."""
    with opened(browser, report) as page:
        page.emulate_media(media="print")
        assert page.query_selector("details.folded summary").is_visible()
        for useless in ("details.code", ".slider", ".explorer", ".files", ".tools", ".tip"):
            assert page.query_selector(useless).is_hidden(), useless
        names = {table.get_attribute("id") for table in page.query_selector_all("table.narrow")}
        assert "91_first.names" in names and "91_first.wide" not in names  # Two of these stand side by side.
        sizes = "(id) => parseFloat(getComputedStyle(document.getElementById(id)).fontSize)"
        assert page.evaluate(sizes, "91_first.wide") < page.evaluate(sizes, "91_first.names")


def test_all_code_opens_and_folds_at_once(page):
    codes = page.query_selector_all("details.code")
    page.click("text=Show all code")
    assert len(codes) > 1 and all(each.get_attribute("open") is not None for each in codes)
    page.click("text=Fold all code")
    assert all(each.get_attribute("open") is None for each in codes)


def test_a_figure_is_enlarged_by_mouse_and_keyboard(page):
    figure = "figure[id='91_first.curve']"
    before = page.query_selector(f"{figure} img").bounding_box()["width"]
    page.click(f"{figure} img")
    assert page.query_selector("dialog[open] img").bounding_box()["width"] > before
    page.keyboard.press("Escape")
    assert page.query_selector("dialog[open]") is None
    page.focus(f"{figure} button")
    page.keyboard.press("Enter")
    assert page.query_selector("dialog[open] img") is not None


def test_figures_are_drawn_as_lines_and_faces_as_pixels(page):
    sources = [image.get_attribute("src")[:19] for image in page.query_selector_all("figure img")]
    assert sources == ["data:image/svg+xml;", "data:image/webp;bas", "data:image/webp;bas"]


def test_labels_of_faces_keep_every_row_of_their_pixels(browser, report):
    """On a phone a sheet scrolls in its size; where it is shrunk, its pixels are blended and none is left out."""
    image = "figure[id='91_first.face'] img"
    with opened(browser, report, 390) as page:
        assert page.query_selector(image).bounding_box()["width"] == 800
        assert page.evaluate("(i) => getComputedStyle(document.querySelector(i)).imageRendering", image) == "auto"


def test_what_lies_under_the_pointer_is_named(page):
    image = page.query_selector("figure[id='91_first.curve'] img")
    image.scroll_into_view_if_needed()
    # What the scrolling sets off comes with the next frame, and would hide the words.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    ((name, x, y, points),) = json.loads(page.get_attribute("figure[id='91_first.curve']", "data-points"))
    assert (name, x, y) == ("verifier", "rank", "EER")
    box = image.bounding_box()
    for left, top, across, up in points:
        assert page.query_selector(".tip").is_hidden()
        page.mouse.move(box["x"] + left / 1000 * box["width"], box["y"] + top / 1000 * box["height"] + 5)
        assert page.inner_text(".tip").split("\n") == ["verifier", f"rank: {across}", f"EER: {up}"]
        page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert [point[2:] for point in points] == [["0", "1"], ["1", "2"]]


def test_a_face_of_a_sheet_is_chosen_by_row_and_column(page):
    """The last face is red, all others are black; the labels' margins do not count."""
    colour = """() => {
        const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        copy.drawImage(document.querySelector(".explorer canvas"), 0, 0);
        return [...copy.getImageData(5, 5, 1, 1).data];
    }"""
    page.wait_for_function("document.querySelector('.explorer output').textContent !== ''")
    assert page.inner_text(".explorer output") == "class 0, 0 %" and page.evaluate(colour) == [0, 0, 0, 255]
    page.select_option(".explorer select", label="class 1")
    assert page.evaluate(colour) == [0, 0, 0, 255]
    page.focus(".explorer input")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".explorer output") == "class 1, 100 %" and page.evaluate(colour) == [255, 0, 0, 255]
    assert page.get_attribute(".explorer canvas", "aria-label") == "The face at class 1, 100 %"


def test_figures_and_tables_are_numbered_and_text_links_to_them(page):
    labels = [label.text_content().strip() for label in page.query_selector_all(".label")]
    assert labels == ["Figure 1.", "Figure 2.", "Figure 3.", "Table 1.", "Table 2.", "Table 3.", "Table 4."]
    text = page.inner_text("main")
    assert "See the models (Table 2) and what was not drawn;" in text


def test_the_contents_tell_where_one_is(page):
    contents = [link.get_attribute("href") for link in page.query_selector_all("nav.contents > details > ul > li > a")]
    assert contents == ["#findings", "#91_first", "#glossary", "#sources", "#provenance"]
    page.click("nav.contents a[href='#91_first']")
    page.wait_for_selector("nav.contents a[aria-current][href^='#91_first']")


def test_files_of_a_table_come_with_the_page(page):
    with page.expect_download() as download:
        page.click("div:has(> table[id='91_first.names']) + .files >> text=CSV")
    assert Path(download.value.path()).read_text().startswith("model,images,")
    assert download.value.suggested_filename == "91_first.names.csv"


def test_dark_differs_from_light_and_both_can_be_read(browser, report):
    grounds = []
    for scheme in ("light", "dark"):
        with opened(browser, report, color_scheme=scheme) as page:
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert [each["id"] for each in violations(page)] == []
    assert grounds[0] != grounds[1]


def test_everything_can_be_read_without_scripts(browser, report):
    with opened(browser, report, java_script_enabled=False) as page:
        assert page.query_selector("nav.contents ul ul") and not page.query_selector("button")
        assert page.inner_text("table[id='91_first.names'] thead").strip() == "model\timages\ta rather long heading"
