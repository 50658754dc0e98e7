"""Who is exposed: the link of each identity, and whether it varies with groups or with the number of images."""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from sface_lib.biometrics import bootstrap_mean, templates
from sface_lib.data import place_in_class
from sface_lib.errors import InputError
from sface_lib.matching import ScoreBlocks
from sface_lib.matching.stream import label_range
from sface_lib.privacy.chance import ShuffleTest, against_null
from sface_lib.privacy.link import equal_templates

FEWEST = 5  # Identities of a group.


def exposures(blocks: ScoreBlocks) -> pd.Series:
    """For each identity in both sets, the chance that a genuine score of its images is above an impostor score.

    Both are scores of its authentic images: genuine ones against synthetic images of its class, impostor ones against
    synthetic images of other classes.

    Parameters
    ----------
    blocks
        Of the authentic set against the synthetic one, `PairScores.blocks`.

    Returns
    -------
    AUC by label, float64 in [0, 1], ties counting half; 0.5 is no link. Identities without impostor scores are missing.
    """
    aucs = {}
    for label in np.intersect1d(blocks.a_labels, blocks.b_labels):
        rows = blocks.scores[label_range(blocks.a_labels, label)]
        same_label = label_range(blocks.b_labels, label)
        genuine, impostor = rows[:, same_label].ravel(), np.sort(np.delete(rows, same_label, axis=1).ravel())
        if len(impostor):
            below = sum(np.searchsorted(impostor, genuine, side).mean() for side in ("left", "right")) / 2
            aucs[int(label)] = float(below / len(impostor))
    return pd.Series(aucs, name="exposure")


def of_equal_images(blocks: ScoreBlocks) -> ScoreBlocks:
    """The scores of as many images of each identity, the first, as the one with the fewest has, in either set.

    A mean over more images varies less, so that exposures of identities with more of them rank otherwise though the
    link is the same: a correlation with their number would show that.
    """
    shared = blocks.among(np.intersect1d(blocks.a_labels, blocks.b_labels))
    kept = [
        place_in_class(labels) < np.unique(labels, return_counts=True)[1].min()
        for labels in (shared.a_labels, shared.b_labels)
    ]
    labels = (own[chosen] for own, chosen in zip((shared.a_labels, shared.b_labels), kept, strict=True))
    return ScoreBlocks(shared.scores[np.ix_(*kept)], *labels, shared.within, shared.groups)


def exposed_persons(
    synthetic: tuple[np.ndarray, np.ndarray],
    authentic: tuple[np.ndarray, np.ndarray],
    control: tuple[np.ndarray, np.ndarray] | None,
) -> pd.DataFrame:
    """How near a set comes to each authentic person, whatever its labels, compared to persons it was not trained on.

    Parameters
    ----------
    synthetic, authentic, control
        Unit embeddings, float `[N, d]`, and labels, int `[N]`, of each set; `control` may be None.

    Returns
    -------
    One row for each authentic identity, by its label: `score`, cosine of its template and the nearest class template;
    `nearest_class`, the label of that class; and with `control`, `p`, (1 + control persons that come as near) /
    (1 + control persons), the templates of all persons being of equally many images; `p_at_floor`, whether no control
    person comes as near, so that p is only an upper bound; and `p_corrected`, the false discovery rate over all
    persons (Benjamini and Hochberg, 1995), which is valid although all p are of the same control persons (Bates et
    al., "Testing for Outliers with Conformal p-values", 2023).
    """
    classes, class_templates = templates(*synthetic)
    (identities, person_templates), *control_templates = equal_templates(
        *(part for part in (authentic, control) if part is not None)
    )
    scores = person_templates @ class_templates.T
    best = scores.max(1)
    table = pd.DataFrame({"score": best, "nearest_class": classes[scores.argmax(1)]}, index=identities)
    for _, unseen in control_templates:
        null = np.sort((unseen @ class_templates.T).max(1))
        table["p"] = (1 + len(null) - np.searchsorted(null, best, "left")) / (1 + len(null))
        table["p_at_floor"] = best > null[-1]
        table["p_corrected"] = stats.false_discovery_control(table["p"])
    return table


@dataclasses.dataclass(frozen=True, eq=False)
class GroupDifference:
    """Exposure of groups of identities.

    Attributes
    ----------
    groups
        A row for each group of at least five identities: `group`, `identities`, `mean`, `low` and `high`.
    test
        Variance of the group means, weighted by group size, against random assignments of identities to groups.
    """

    groups: pd.DataFrame
    test: ShuffleTest


def comparable_groups(group: np.ndarray) -> np.ndarray:
    """Names, ascending, of the groups of at least five identities; `group` is the group of each identity, `[K]`."""
    names, counts = np.unique(group, return_counts=True)
    return names[counts >= FEWEST]


def exposure_by_group(
    exposure: np.ndarray, group: np.ndarray, shuffles: int, resamples: int, seed: int, level: float = 0.95
) -> GroupDifference:
    """Compare the exposure of groups.

    Parameters
    ----------
    exposure
        Of each identity, float `[K]`.
    group
        Its group's name, `[K]`.

    Raises
    ------
    InputError
        Fewer than two groups of at least five identities.
    """
    group, exposure = np.asarray(group).astype(str), np.asarray(exposure, np.float64)
    names = comparable_groups(group)
    if len(names) < 2:
        raise InputError(f"{len(names)} of the groups have at least {FEWEST} identities; a comparison needs two such")
    kept = np.isin(group, names)
    codes, exposure = np.searchsorted(names, group[kept]), exposure[kept]
    random = np.random.default_rng(seed)
    null = _spread(exposure[np.array([random.permutation(len(codes)) for _ in range(shuffles)])], codes)
    rows = []
    for i, name in enumerate(names):
        values = exposure[codes == i]
        mean = bootstrap_mean(values, resamples, seed)
        span = mean.interval(level)
        rows.append({"group": name, "identities": len(values), "mean": mean.value, "low": span.low, "high": span.high})
    return GroupDifference(pd.DataFrame(rows), against_null(float(_spread(exposure, codes)), null))


def exposure_by_images(exposure: np.ndarray, images: np.ndarray, shuffles: int, seed: int) -> ShuffleTest | None:
    """Spearman correlation of exposure `[K]` with number of training images `[K]`; None if either is constant.

    The exposures must be of equally many images of each identity: see `of_equal_images`.
    """
    if len(np.unique(images)) < 2 or len(np.unique(exposure)) < 2:
        return None
    first, second = stats.zscore(stats.rankdata([exposure, images], axis=1), axis=1)
    random = np.random.default_rng(seed)
    null = np.array([np.mean(first[random.permutation(len(first))] * second) for _ in range(shuffles)])
    return against_null(float(np.mean(first * second)), null)


def _spread(exposure: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Variance between groups, weighted by their size, of exposures `[..., K]`: float64 `[...]`."""
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(np.float64)
    counts = member.sum(0)
    means = exposure @ member / counts
    return np.square(means - exposure.mean(-1, keepdims=True)) @ counts / len(codes)
