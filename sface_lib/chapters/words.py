"""Numbers as several chapters write them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sface_lib.biometrics import Comparisons
from sface_lib.chapters.setspec import GENERATED
from sface_lib.run.fragments import MISSING

LEAST_P = 0.001  # Below it the digits say nothing.
ODD_NAMES = {"5_o_Clock_Shadow": "5 o'clock shadow"}
GAP = "authentic minus synthetic accuracy"  # What a gap is, wherever one stands.
PROPER_NAMES = ("dlib", "raw pixels")  # Judges without an article.


def attribute_in_words(name: str) -> str:
    """An attribute of MAAD-Face as text shows it: "Oval Face"."""
    return ODD_NAMES.get(name, name.replace("_", " "))


def the(judge: str) -> str:
    """A judge within a sentence: "the verifier", but "dlib"; a name in bold stays so."""
    return judge if judge.strip("*") in PROPER_NAMES else f"the {judge}"


def capitalised(text: str) -> str:
    """A text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]


def saw_authentic(name: str, exposed: bool) -> str:
    """Whether the generator of a set saw the authentic one; that of this run's set was trained on it."""
    if name == GENERATED:
        return "yes"
    return "not ruled out" if exposed else "no"


def listed(names: Iterable[str]) -> str:
    """Names as a sentence has them: "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def plain(value: float) -> str:
    """A positive number with two digits that count, and no power of ten: "0.000067"."""
    return np.format_float_positional(float(f"{value:.2g}"), trim="-")


def p_in_words(p: float | None, at_floor: bool) -> str:
    """A p-value; one that is as small as the shuffles allow may be smaller."""
    if p is None:
        return MISSING
    if p < LEAST_P and not at_floor:
        return f"< {LEAST_P:g}"
    return ("≤ " if at_floor else "") + (f"{p:.3f}" if p >= 0.0995 else f"{p:.2g}")


def p_clause(p: float, at_floor: bool) -> str:
    """The same in a sentence: "p = 0.02" or "p ≤ 0.01"."""
    said = p_in_words(p, at_floor)
    return f"p {'' if said[0] in '<≤' else '= '}{said}"


def points_of(
    comparisons: Comparisons, passed: str, accepted: str, points: int = 25, lowest: float = 0.0
) -> pd.DataFrame:
    """Points of a curve: rates of others `passed` and of mated `accepted`, with the interval `low`, `high`."""
    rows = []
    for target, missed in comparisons.curve(points, lowest):
        span = missed.complement.interval()
        rows.append({passed: target, accepted: missed.complement.value, "low": span.low, "high": span.high})
    return pd.DataFrame(rows)
