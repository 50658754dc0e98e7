"""Published numbers, which stand beside a run's own and are never taken for them."""

import pandas as pd

from sface_lib.files import ASSETS, check_shipped

# Training sets of `field_accuracy` by their names in `nearest_matches`, where these are others.
SAME_SETS = {
    "IDnet+RandAugment": "IDnet",
    "DigiFace-1M+augmentation": "DigiFace-1M",
    "Langevin-Disco": "LangevinDisco",
    "Vec2Face HSFace10K": "Vec2Face",
}


def published(name: str) -> pd.DataFrame:
    """A table of `assets/references`, whose README says what it holds."""
    return pd.read_csv(check_shipped(ASSETS / f"references/{name}.csv"))


def published_sets() -> pd.DataFrame:
    """Published synthetic sets: how near their images come to CASIA-WebFace, and what networks learn from them.

    The scores are derived from published files, the accuracies read.

    Returns
    -------
    pandas.DataFrame
        `set`; `images`, `mean best score` over CASIA-WebFace and `AUC against DigiFace-1M` (of those scores against the
        same of a rendered set that never saw it; 0.5 is as near) of the images that were compared; `training images`
        and `accuracy`, the mean of the five benchmarks; NaN where nobody published it.
    """
    near, learnt = published("nearest_matches"), published("field_accuracy")
    learnt = learnt[~learnt["method"].str.contains("authentic")]
    learnt = learnt.assign(set=learnt["method"].replace(SAME_SETS)).rename(
        columns={"images": "training images", "average": "accuracy"}
    )
    columns = {"mean_best_score": "mean best score", "auc_vs_digiface": "AUC against DigiFace-1M"}
    near = near.rename(columns=columns)[["set", "images", *columns.values(), "note"]]
    both = near.merge(learnt[["set", "training images", "accuracy"]], on="set", how="outer", sort=False)
    return both.sort_values(["AUC against DigiFace-1M", "accuracy"], ignore_index=True)
