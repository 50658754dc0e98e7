"""Numbers as several chapters write them."""


def p_in_words(p: float | None, at_floor: bool) -> str:
    """A p-value; one that is as small as the shuffles allow may be smaller."""
    if p is None:
        return ""
    return ("≤ " if at_floor else "") + (f"{p:.3f}" if p >= 0.0995 else f"{p:.2g}")
