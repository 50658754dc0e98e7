"""Numbers of figures and tables in the order of the page, and links to them from text."""

import re
from collections import Counter

PLACE = re.compile(r'\bid="([^"]+)"')
LINK = re.compile(r'<a href="#([^"]+)">(.*?)</a>', re.DOTALL)


def slug(text: str) -> str:
    """A text as part of an id; empty where it has neither letters of English nor digits."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class Labels:
    """What figures and tables are called: "Figure 1", "Table 1", …, in the order in which they are added."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._labels: dict[str, str] = {}

    def add(self, kind: str, name: str) -> str:
        """The label of the next figure or table, whose id is `name`."""
        self._counts[kind] += 1
        self._labels[name] = f"{kind} {self._counts[kind]}"
        return self._labels[name]

    def link(self, page: str) -> str:
        """The page with the label behind every link to a figure or table.

        Links to what is not on it, such as a figure that was not drawn, become text.
        """
        places = set(PLACE.findall(page))

        def resolved(match: re.Match[str]) -> str:
            name, text = match.groups()
            if name in self._labels:
                return f'<a href="#{name}">{text} ({self._labels[name]})</a>'
            return match.group() if name in places else text

        return LINK.sub(resolved, page)
