"""Scores and error rates at many thresholds, as a table that the page lets its reader move through."""

import numpy as np
import pandas as pd

STEPS = 100


def thresholds(genuine: np.ndarray, impostor: np.ndarray, steps: int = STEPS) -> pd.DataFrame:
    """Share of genuine and impostor scores in equal ranges of scores, and the error rates at the ranges' lower ends.

    Parameters
    ----------
    genuine, impostor
        Scores, `[n]` and `[m]`; a pair is accepted from the threshold on, as everywhere in the report.

    Returns
    -------
    Rows of ascending thresholds with the columns threshold; genuine (%) and impostor (%), the shares of scores from
    this threshold to below the next one, in the last row from it on; FMR (%) and FNMR (%).
    """
    edges = np.linspace(min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max()), steps + 1)
    edges[-1] = np.inf
    parts = {"genuine": genuine, "impostor": impostor}
    counts = {name: np.histogram(scores, edges)[0] for name, scores in parts.items()}  # In blocks: sorts no 1e8 scores.
    below = {name: np.cumsum([0, *of_range[:-1]]) / of_range.sum() for name, of_range in counts.items()}
    return pd.DataFrame(
        {"threshold": edges[:-1]}
        | {f"{name} (%)": 100 * np.diff(shares, append=1) for name, shares in below.items()}
        | {"FMR (%)": 100 * (1 - below["impostor"]), "FNMR (%)": 100 * below["genuine"]}
    )
