"""The first mention of a term or a source in each section, linked to the glossary and the bibliography."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from bs4 import BeautifulSoup

from sface_lib.chapters.story import Source, Term
from sface_lib.report.labels import slug

PROSE = frozenset(("p", "li", "figcaption", "caption", "td", "dd"))
NOT_INSIDE = frozenset(("a", "code", "pre", "summary", "th", *(f"h{level}" for level in range(1, 7))))


def identifier(entry: Term | Source) -> str:
    """Id on the page of an entry of the glossary or the bibliography."""
    if isinstance(entry, Source):
        return f"source-{entry.key}"
    return f"term-{slug(entry.forms[0])}"


class Mentions:
    """What of a glossary and a bibliography occurs on a page; `names` are those of sets, which mean no entry there.

    Attributes
    ----------
    terms, sources
        Those that were mentioned, sources in the order of their numbers.
    """

    def __init__(self, terms: Iterable[Term] = (), sources: Iterable[Source] = (), names: Iterable[str] = ()):
        self._by_form: dict[str, Term | Source] = {}
        for source in sources:
            self._by_form |= dict.fromkeys(source.names, source)
        for term in terms:
            self._by_form |= dict.fromkeys(term.forms, term)
        for name in names:
            self._by_form.pop(name, None)
        forms = sorted(self._by_form, key=len, reverse=True)
        alternatives = "|".join(map(re.escape, forms))
        self._pattern = re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w+])") if forms else None
        self.terms: list[Term] = []
        self.sources: list[Source] = []
        self._seen: set[tuple[str, str]] = set()

    def link(self, soup: BeautifulSoup, section: str) -> None:
        """Link the first mention of each term and source within a section."""
        if self._pattern is None:
            return
        for text in soup.find_all(string=True):
            inside = {parent.name for parent in text.parents}
            if inside & PROSE and not inside & NOT_INSIDE:
                pieces = self._split(str(text), section)
                if len(pieces) > 1:
                    text.replace_with(*BeautifulSoup("".join(pieces), "html.parser").contents)

    def _split(self, text: str, section: str) -> Sequence[str]:
        """A text in pieces of HTML, with links; in one piece where nothing is linked."""
        pieces, end = [], 0
        for match in self._pattern.finditer(text):
            entry = self._by_form[match.group()]
            if (section, identifier(entry)) in self._seen:
                continue
            self._seen.add((section, identifier(entry)))
            pieces += [escape(text[end : match.start()], quote=False), self._linked(match.group(), entry)]
            end = match.end()
        return [*pieces, escape(text[end:], quote=False)]

    def _linked(self, text: str, entry: Term | Source) -> str:
        text = escape(text, quote=False)
        if isinstance(entry, Term):
            if entry not in self.terms:
                self.terms.append(entry)
            return f'<a class="term" href="#{identifier(entry)}" title="{escape(entry.meaning)}">{text}</a>'
        if entry not in self.sources:
            self.sources.append(entry)
        cited = escape(f"{entry.authors} {entry.title}. {entry.venue}, {entry.year}.")
        number = self.sources.index(entry) + 1
        return f'{text} <a class="cite" href="#{identifier(entry)}" title="{cited}">[{number}]</a>'
