"""The page is one file that needs nothing else, can be read by everyone, and shows no one who must not be shown."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from report_workshop import Workshop

from sface_lib.report.cells import Composer, Outline, without_results
from sface_lib.report.labels import Labels
from sface_lib.report.mentions import Mentions
from sface_lib.report.redaction import Redactor
from sface_lib.run import Chapter

DRAW = """
import matplotlib.pyplot as plt, numpy as np, pandas as pd, sys
from IPython.display import HTML, Image, display
fig, axes = plt.subplots(); axes.plot([1, 2])
frame = pd.DataFrame({"model": ["<script>alert(1)</script>", "O'Neil é"], "accuracy (%)": [81.23456, np.nan]})
stage.figure((fig, frame), "curve", alt='A "rising" line.', caption="Rise & fall.")
stage.picture(np.zeros((8, 8, 3), np.uint8), "face", alt="A face.", shows="authentic")
stage.table(frame, "names", "Two models.")
print("file Ann_Lee_0001.jpg, Ann Lee, 0001")
print("\\r 50% progress", file=sys.stderr)
display(HTML('<script src="http://a.example/x.js"></script><img src="http://a.example/x.png"><h1>Again</h1>'))
display(Image(stage.run_dir / "figures/91_first.curve.png", format="png"))
"""
MARKDOWN = """## Same heading

#### Deep heading

<script>alert("markdown")</script> ![](http://a.example/y.png) [link](http://a.example) <a href="//a.example">b</a>

<p style="background:url(http://a.example/z.png)">styled</p>

## Same heading
"""


class Page(HTMLParser):
    """What a reader's browser and screen reader find."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.levels = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.levels.append(int(tag[1]))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("page"))
    workshop.notebook("91_first", DRAW, new_markdown_cell(MARKDOWN), "stage.say('# Said\\n**7**')\nstage.finish()")
    pairs = workshop.folder / "pairs.txt"
    pairs.write_text("1\t1\nAnn_Lee\t1\t2\n")
    workshop.inputs = {"91_first": {"protocol": pairs}}
    rows = ({"name": "psi", "value": 0.7, "default": 1.0, "description": "Truncation <of> it."},)
    assert workshop.run(stages=(Chapter("91_first", "First"),), parameter_rows=rows)[0] == 0
    return workshop.page()


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_it_has_no_external_address(text, page):
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert tag != "script" or "src" not in attributes
        assert re.fullmatch(r"(--letters: \d+)?", attributes.get("style") or ""), (tag, attributes["style"])
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name) or "#"
            inside = ("#", "data:image/", "data:text/plain;", "figures/91_first.curve.")
            assert value.startswith(inside), (tag, name, value[:80])
    assert "@import" not in text and "url(" not in text[: text.index("</style>")]


def test_every_picture_has_alt_text(page):
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [picture["alt"] for picture in pictures] == [
        'A "rising" line.',
        "Picture in: The 91_first notebook",
    ]


def test_heading_levels_never_skip_and_start_with_one_h1(page):
    assert page.levels.count(1) == 1 and page.levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(page.levels, page.levels[1:], strict=False))


def test_ids_are_unique_and_every_link_finds_its_target(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    addresses = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    links = [address[1:] for address in addresses if address.startswith("#")]
    assert set(links) <= set(ids) and "91_first-same-heading-2" in links


def test_every_table_of_a_stage_has_a_caption_and_scopes(text, page):
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert sum(tag == "caption" for tag, _ in page.tags) == tables
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")


def test_names_and_raw_html_are_escaped(text):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert '&lt;script&gt;alert("markdown")&lt;/script&gt;' in text
    assert "Truncation &lt;of&gt; it." in text


@pytest.mark.parametrize(
    "source, shown",
    [
        ('<script src="x">a < b</script>', '&lt;script src="x"&gt;a &lt; b&lt;/script&gt;'),
        ('<foo a="b&c"><b>in</b></foo> after', '&lt;foo a="b&amp;c"&gt;<b>in</b>&lt;/foo&gt; after'),
        ("<input type=text>after", '&lt;input type="text"/&gt;after'),
        ('<b onclick="x()">kept</b><!-- gone -->', "<b>kept</b>"),
        ('<a href="javascript:x()">words</a> <a href="#id">link</a>', 'words <a href="#id">link</a>'),
    ],
)
def test_a_tag_that_is_not_allowed_is_shown_as_text_around_what_it_holds(tmp_path, source, shown):
    composer = Composer(tmp_path, Redactor(), Labels(), Mentions(), Outline("section"))
    output = new_output("display_data", {"text/html": source})
    assert composer.outputs([output], "heading") == f'<div class="output">{shown}</div>'


def test_code_is_folded_but_present_and_progress_is_left_out(text):
    assert '<details class="code"><summary>Code</summary>' in text
    assert "50% progress</" not in text


def test_identity_names_are_withheld_also_in_file_names(text):
    assert "file [name withheld]_0001.jpg, [name withheld], 0001" in text
    assert "Lee" not in text


def test_pictures_of_authentic_faces_are_replaced_by_a_sentence(text):
    words = re.sub(r"<[^>]+>", "", text)
    assert "Pictures of authentic faces are hidden (show_authentic_images is false)." in words


def test_it_states_language_viewport_and_a_skip_link(text):
    assert '<html lang="en">' in text and 'name="viewport"' in text and 'class="skip"' in text


def test_the_tables_of_parameters_and_provenance_are_there(text):
    assert "<code>psi</code>" in text and "<strong>0.7</strong>" in text
    assert re.search(r"versions<.*torch [0-9]", text) and "peak memory of a stage" in text


def test_a_value_stays_with_its_unit_and_an_interval_with_its_value(tmp_path):
    composer = Composer(tmp_path, Redactor(()), Labels(), Mentions(), Outline("a"))
    said = composer.markdown("At 5 % of 64 px it is p ≤ 0.01; `5 %` is code.", "heading")
    assert "At 5\u00a0% of 64\u00a0px it is p\u00a0≤\u00a0" in said and "<code>5 %</code>" in said
    table = "<table><tr><th>a</th><td>1.5 [0.2, 2.5]</td><td>2</td></tr></table>"
    output = SimpleNamespace(output_type="display_data", get=lambda *_: {"text/html": table})
    assert composer.outputs([output], "heading").count('class="span"') == 1


def test_text_about_what_did_not_run_is_left_out():
    said = new_code_cell("say()", outputs=[new_output("display_data", {"text/markdown": "7"})])
    progress = new_output("stream", name="stderr", text="50 %")
    widget = new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox()"})
    silent = new_code_cell("if False: say()", outputs=[progress, widget])
    text = {
        "# Title": [silent],
        "## Shown": [silent, said],
        "Nothing follows this.": [silent],
        "### Nothing here": [silent, silent],
        "## Nothing in all of it": [silent],
        "### nor below": [silent],
        "## Shown below": [silent],
        "This is shown:": [said],
        "The end.": [],
    }
    cells = [cell for source, code in text.items() for cell in (new_markdown_cell(source), *code)]
    assert [cells[i].source for i in sorted(without_results(cells))] == [
        "Nothing follows this.",
        "### Nothing here",
        "## Nothing in all of it",
        "### nor below",
    ]


def test_code_cells_that_show_nothing_are_folded_with_the_next_one(tmp_path):
    """The parameters, the opening and two silent cells with the first that says something; then the last alone."""
    workshop = Workshop(tmp_path)
    workshop.notebook("91_first", "first = 1", "second = 2", "stage.say('Seven.')", "third = 3\nstage.finish()")
    assert workshop.run(stages=(Chapter("91_first", "First"),))[0] == 0
    folded = workshop.page().split('<details class="code">')[1:]
    assert len(folded) == 2 and all(name in folded[0] for name in ("first", "second")) and "third" in folded[1]
    assert "Seven." in folded[0] and "second" not in folded[1].split("</details>")[0]
