"""One look for one thing in all figures: a set has a colour and a marker, and models trained on it have shades of it.

The palette is one that colour-blind readers can tell apart; marker, filling or line style tells sets and strategies
apart as well.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import seaborn as sns
from matplotlib.colors import to_hex, to_rgb

from sface_lib.chapters.setspec import AUTHENTIC, GENERATED
from sface_lib.chapters.shared import BASELINE, POPULATION_SETS, Synthetic
from sface_lib.registry import extensions

INK = "#262626"  # Of authentic faces.
GREY = "#8c8c8c"  # Of references, chance and what supports no claim.
_PALETTE = sns.color_palette("colorblind").as_hex()
COLOURS = tuple(_PALETTE[i] for i in (0, 1, 2, 4, 3, 9))
MARKERS = ("s", "^", "D", "v", "P", "X", "p", "h", "<", ">", "d")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
NO_SETS = ("#332288", "#44aa99", "#999933", "#cc6677", "#882255", "#117733", "#aa4499")  # Tol, muted.
FILLINGS = ("full", "none", "left", "right", "top", "bottom")
TONES = (0.0, -0.35, 0.2, -0.6, 0.4, -0.15)  # Toward black below zero, toward white above.
# Names of sets that figures of one chapter alone have -> the set whose colour they share, and which tone.
VARIANTS = {
    "as drawn": (GENERATED, 0),
    "steered": (GENERATED, 1),
    "unlabelled": (GENERATED, 2),
    POPULATION_SETS[0]: (AUTHENTIC, 0),
}
STRATEGIES = ("CLS", "KT", "CL", "mixed", "filtered")  # Each is a variant of its set; an added one follows.


@dataclasses.dataclass(frozen=True)
class Look:
    """How one thing is drawn."""

    colour: str
    marker: str = "o"
    line_style: Any = "-"
    filling: Any = "full"

    @property
    def line(self) -> dict[str, Any]:
        """Of a line without markers."""
        return {"color": self.colour, "linestyle": self.line_style}

    @property
    def points(self) -> dict[str, Any]:
        """Of markers without a line."""
        half = {"markerfacecoloralt": "white"} if self.filling not in ("full", "none") else {}
        return {"color": self.colour, "marker": self.marker, "fillstyle": self.filling} | half

    @property
    def curve(self) -> dict[str, Any]:
        """Of a line with some markers on it, so that lines of one style are told apart without colour."""
        return self.line | self.points | {"markevery": 0.2, "markersize": 4}

    @property
    def joined(self) -> dict[str, Any]:
        """Of a line through points, each of which has its marker."""
        return self.curve | {"markevery": 1}

    def variants(self, names: Iterable[str]) -> dict[str, "Look"]:
        """Of several things of the same set, such as what each judge sees in it, by name."""
        return {name: self.variant(i) for i, name in enumerate(names)}

    def variant(self, index: int) -> "Look":
        """Another thing of the same set: another tone, line style and filling; they repeat from index 6."""
        return dataclasses.replace(
            self,
            colour=_toned(self.colour, TONES[index % len(TONES)]),
            line_style=LINE_STYLES[index % len(LINE_STYLES)],
            filling=FILLINGS[index % len(FILLINGS)],
        )


OF_AUTHENTIC = Look(INK)
REFERENCES = {"raw pixels": Look(GREY, "x", ":"), "untrained": Look(GREY, "+", "--")}
OF_GLOBAL = Look(_PALETTE[5], "*")  # The population's other set in the authentic role.


class Looks:
    """The looks of a report's sets, and of the models that learnt from them.

    Parameters
    ----------
    sets
        Names of the synthetic sets, in the order in which the report names them; "authentic" may be among them.
    """

    def __init__(self, sets: Iterable[str]) -> None:
        # The colour of this run's generator is its own, whether it is in the run or not.
        names = [name for name in dict.fromkeys((GENERATED, *sets)) if name != AUTHENTIC]
        self._of = {AUTHENTIC: OF_AUTHENTIC, POPULATION_SETS[1]: OF_GLOBAL}
        self._of |= {name: indexed(i) for i, name in enumerate(names)}
        self._free = len(names)  # Index of the next look.
        self._filtered: dict[str, dict[str, int]] = {}
        self._strategies = (*STRATEGIES, *extensions("sface_lab.strategies"))  # Once: it reads all installed packages.

    @classmethod
    def of(cls, p: Synthetic) -> "Looks":
        """Of the run with these parameters."""
        return cls([each.name for each in p.synthetic])

    def of_set(self, name: str) -> Look:
        """Of a set; one that the report does not know gets the next look that is free, and keeps it."""
        if name not in self._of and name in VARIANTS:
            parent, index = VARIANTS[name]
            return self._of[parent].variant(index)
        if name not in self._of:
            self._of[name], self._free = indexed(self._free), self._free + 1
        return self._of[name]

    def of_model(self, name: str) -> Look:
        """Of a model by its name, see `model_name`: the colour and marker of its set, varied by the strategy."""
        if name in REFERENCES:
            return REFERENCES[name]
        strategy, _, rest = name.partition(" ")
        if strategy == BASELINE:
            return self.of_set(AUTHENTIC)
        if name.startswith("teacher"):
            return self.of_set(AUTHENTIC).variant(2)
        trained_on, _, altered = rest.partition(" ")
        look = self.of_set(trained_on)
        kind, _, value = altered.partition(" ")
        if kind == "mixed":  # As far toward the authentic colour as its images are authentic.
            return dataclasses.replace(look.variant(3), colour=_blend(look.colour, INK, float(value)))
        if kind == "filtered":  # Each rate has a marker of its own, in the order in which they are asked for.
            known = self._filtered.setdefault(trained_on, {})
            place = known.setdefault(value, len(known))
            return dataclasses.replace(look.variant(4), marker=MARKERS[(place + 1) % len(MARKERS)], filling="full")
        return look.variant(self._strategies.index(strategy) if strategy in self._strategies else 0)


def indexed(index: int) -> Look:
    """The index-th look of all; colours and markers come again after different numbers."""
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], LINE_STYLES[index % len(LINE_STYLES)])


def of_no_set(index: int) -> Look:
    """The index-th look of things that are neither sets nor models: no set has its colour."""
    look = indexed(index)
    return dataclasses.replace(look, colour=NO_SETS[index % len(NO_SETS)])


def contrast(one: Any, other: Any) -> float:
    """How well two opaque colours are told apart, from 1 to 21 (WCAG 2.2, contrast ratio)."""
    lower, higher = sorted(_luminance(colour) + 0.05 for colour in (one, other))
    return higher / lower


def readable_on(colour: Any) -> str:
    """Black or white, whichever is read more easily on a colour."""
    return max(("black", "white"), key=lambda ink: contrast(ink, colour))


def _luminance(colour: Any) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _toned(colour: str, tone: float) -> str:
    return _blend(colour, "white" if tone > 0 else "black", abs(tone))


def _blend(one: str, other: str, share: float) -> str:
    return to_hex([(1 - share) * a + share * b for a, b in zip(to_rgb(one), to_rgb(other), strict=True)])
