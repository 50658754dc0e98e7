"""Terms and sources are linked where they first occur in a section, figures and tables wherever text names them."""

import pytest
from bs4 import BeautifulSoup

from sface_lib.chapters.story import Source, Term
from sface_lib.report.labels import Labels
from sface_lib.report.mentions import Mentions

EER = Term(("EER",), "Equal <error> rate.")
SFACE = Source("sface", ("SFace",), "Boutros, F.", "SFace", "IJCB", 2022)
PLUS = Source("plus", ("SFace+",), "N., N.", "More", "X", 2023)


@pytest.fixture
def linked():
    mentions = Mentions([EER], [SFACE, PLUS])

    def link(html, section="a"):
        soup = BeautifulSoup(html, "html.parser")
        mentions.link(soup, section)
        return str(soup)

    link.mentions = mentions
    return link


def test_the_first_mention_in_each_section_is_linked(linked):
    first = linked("<p>EER and EER</p>")
    assert first.count("<a ") == 1 and 'title="Equal &lt;error&gt; rate."' in first and first.endswith("and EER</p>")
    assert "<a " not in linked("<p>EER</p>") and "<a " in linked("<p>EER</p>", "b")


def test_the_name_of_a_set_is_no_term():
    soup = BeautifulSoup("<p>The unexposed set, and unexposed.</p>", "html.parser")
    Mentions([Term(("unexposed set", "unexposed"), "Never saw them.")], names=["unexposed"]).link(soup, "a")
    assert soup.a.text == "unexposed set" and len(soup.find_all("a")) == 1
    soup = BeautifulSoup("<p>As unexposed.</p>", "html.parser")
    Mentions([Term(("unexposed set", "unexposed"), "Never saw them.")], names=["unexposed"]).link(soup, "a")
    assert soup.a is None


def test_sources_are_numbered_in_the_order_of_their_mention(linked):
    assert "SFace+ <a" in linked("<p>SFace+</p>") and "[2]" in linked("<p>SFace</p>")
    assert linked.mentions.sources == [PLUS, SFACE]


def test_parts_of_words_headings_and_code_are_left_alone(linked):
    for html in ("<p>SFaces, non-EER</p>", "<h3>EER</h3>", "<p><code>EER</code></p>", "<pre>EER</pre>"):
        assert linked(html) == html
    assert linked("<p>a &lt; b</p>") == "<p>a &lt; b</p>" and linked.mentions.terms == []


def test_figures_and_tables_count_apart_and_links_tell_their_numbers():
    labels = Labels()
    assert [labels.add(*each) for each in (("Table", "a"), ("Figure", "b"), ("Table", "c"))] == [
        "Table 1", "Figure 1", "Table 2",
    ]  # fmt: skip
    page = '<p id="d"><a href="#c">here</a>, <a href="#d">there</a>, <a href="#e">nowhere</a></p>'
    assert labels.link(page) == '<p id="d"><a href="#c">here (Table 2)</a>, <a href="#d">there</a>, nowhere</p>'
