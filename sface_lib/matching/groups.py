"""Groups of identities, such as gender and ancestry: what two persons may share without being one."""

import numpy as np
import pandas as pd


def group_codes(labels: np.ndarray, groups: pd.Series) -> np.ndarray:
    """A number for the group of each label, int64 `[N]`: equal numbers are one group.

    Parameters
    ----------
    labels
        int `[N]`.
    groups
        Group of each label, by label. A label whose group is missing or not known has a group to itself.
    """
    every, places = np.unique(labels, return_inverse=True)
    codes = pd.factorize(groups.reindex(every))[0].astype(np.int64)
    codes[codes < 0] = -1 - np.arange(np.count_nonzero(codes < 0))
    return codes[places]
