"""What the page explains and cites can be found, and found once."""

import re
from collections import Counter

from sface_lib.chapters.story import bibliography, glossary


def test_no_two_terms_and_no_two_sources_have_one_name():
    for names in ([f for t in glossary() for f in t.forms], [n for s in bibliography() for n in s.names]):
        assert names and max(Counter(names).values()) == 1


def test_every_term_is_explained_in_a_sentence():
    for term in glossary():
        assert re.fullmatch(r"[A-Z].{15,}\.", term.meaning), term


def test_every_source_has_authors_a_year_and_where_known_a_doi():
    for source in bibliography():
        assert source.authors.endswith((".", "et al.")) and source.title and source.venue, source
        assert 1970 < source.year < 2030 and (not source.doi or re.fullmatch(r"10\.\d{4,}/\S+", source.doi)), source
    assert sum(bool(source.doi) for source in bibliography()) > 40


def test_the_two_papers_are_cited():
    authors = {source.names[0]: source.authors for source in bibliography() if source.names}
    assert authors["SFace"].startswith("Boutros") and authors["Massively annotated datasets"].startswith("Neto")
