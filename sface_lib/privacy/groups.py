"""Whose names can be exchanged within groups of identities, such as gender and ancestry."""

import numpy as np
import pandas as pd

from sface_lib.matching import group_codes


def exchangeable(classes: np.ndarray, groups: pd.Series | None) -> np.ndarray:
    """The classes that share their group with another one of them; without groups all are.

    Only among these can names be exchanged within a group: a class that is alone in its group says nothing about
    whether its person shows, or only the group.
    """
    if groups is None:
        return classes
    codes = group_codes(classes, groups)
    return classes[np.isin(codes, np.flatnonzero(np.bincount(codes - codes.min()) > 1) + codes.min())]
