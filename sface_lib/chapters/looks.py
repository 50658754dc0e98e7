"""One look for one thing in all figures: a set has a colour and a marker, and what was made of it has its tone.

The palette is one that colour-blind readers can tell apart; marker, filling or line style tells it as well.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import seaborn as sns
from matplotlib.colors import to_hex, to_rgb

from sface_lib.chapters.setspec import AUTHENTIC, GENERATED
from sface_lib.chapters.shared import BASELINE, POPULATION_SETS, Synthetic

INK = "#262626"  # Of authentic faces.
GREY = "#8c8c8c"  # Of floors, chance and what supports no claim.
_PALETTE = sns.color_palette("colorblind").as_hex()
COLOURS = tuple(_PALETTE[i] for i in (0, 1, 2, 4, 3, 9))
MARKERS = ("s", "^", "D", "v", "P", "X", "p", "h", "<", ">", "d")
LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
FILLINGS = ("full", "none", "left", "right", "top", "bottom")
TONES = (0.0, -0.35, 0.35, -0.6, 0.55, -0.15)  # Toward black below zero, toward white above.
# Names of sets that figures of one chapter alone have -> the set whose colour they share, and which tone.
VARIANTS = {
    "as drawn": (GENERATED, 0),
    "steered": (GENERATED, 1),
    "unlabelled": (GENERATED, 2),
    POPULATION_SETS[0]: (AUTHENTIC, 0),
}
STRATEGIES = ("CLS", "KT", "CL")
FLOORS = {"raw pixels": 3, "untrained": 1}  # Model -> its line style.


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

    def variant(self, index: int) -> "Look":
        """Another thing of the same set: another tone, line style and filling; the sixth begins anew."""
        return dataclasses.replace(
            self,
            colour=_toned(self.colour, TONES[index % len(TONES)]),
            line_style=LINE_STYLES[index % len(LINE_STYLES)],
            filling=FILLINGS[index % len(FILLINGS)],
        )


OF_AUTHENTIC = Look(INK)
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
        self._of = {AUTHENTIC: OF_AUTHENTIC, POPULATION_SETS[1]: OF_GLOBAL} | {
            name: indexed(i) for i, name in enumerate(names)
        }

    @classmethod
    def of(cls, p: Synthetic) -> "Looks":
        """Of the run with these parameters."""
        return cls([each.name for each in p.synthetic])

    def of_set(self, name: str) -> Look:
        """Of a set; one that the report does not know gets the next look that is free, and keeps it."""
        if name not in self._of and name in VARIANTS:
            parent, index = VARIANTS[name]
            return self._of[parent].variant(index)
        return self._of.setdefault(name, indexed(len(self._of) - 2))

    def of_model(self, name: str) -> Look:
        """Of a model by its name, see `model_name`: the colour and marker of its set, varied by the strategy."""
        if name in FLOORS:
            return Look(GREY, "x", LINE_STYLES[FLOORS[name]])
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
        if kind == "filtered":
            return look.variant(4)
        return look.variant(STRATEGIES.index(strategy) if strategy in STRATEGIES else 0)


def indexed(index: int) -> Look:
    """The index-th look of all; colours and markers come again after different numbers."""
    return Look(COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)], LINE_STYLES[index % len(LINE_STYLES)])


def _toned(colour: str, tone: float) -> str:
    return _blend(colour, "white" if tone > 0 else "black", abs(tone))


def _blend(one: str, other: str, share: float) -> str:
    return to_hex([(1 - share) * a + share * b for a, b in zip(to_rgb(one), to_rgb(other), strict=True)])
