"""Whose link is strong: by group, and by the number of training images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.sets import AuditedSets, View
from sface_lib.errors import InputError
from sface_lib.files import atomic_path
from sface_lib.privacy import Claim, ShuffleTest
from sface_lib.privacy.exposure import (
    GroupDifference,
    comparable_groups,
    exposed_persons,
    exposure_by_group,
    exposure_by_images,
)

STRONGEST = 100  # Pairs of images that the owner of the faces reads.
BY_IMAGES = "exposure by number of training images, rank correlation"


def by_trait(trait: str) -> str:
    """Name of the claim that exposure does not differ between the groups of a trait."""
    return f"exposure by {trait}, SD of group means"


@dataclass(frozen=True, eq=False)
class Exposure:
    """Whose link is strong, by one judge.

    Attributes
    ----------
    by_identity
        AUC of the link of each identity, by its label in the whole set.
    groups
        Trait, such as "ancestry" -> how its groups differ, or why that is not estimable.
    by_images
        Rank correlation with the number of training images; None where either is the same for all.
    comparisons
        Of how many scores all these are; those of each group stand beside it.
    """

    by_identity: pd.Series
    groups: Mapping[str, GroupDifference | str]
    by_images: ShuffleTest | None
    comparisons: int


def exposure(view: View, sets: AuditedSets, settings: AuditSettings) -> Exposure:
    """Whose link is strong, whether groups of traits differ in it, and whether more training images mean more of it."""
    link_aucs, shuffles, seed = view.evidence.labelled.exposure, settings.shuffles, settings.seed
    labels = sets.identities[link_aucs.index]
    compared = pd.Series(np.bincount(view.sets.authentic.labels)[link_aucs.index] * len(view.sets.synthetic.labels))
    groups: dict[str, GroupDifference | str] = {}
    for trait, of_each in _traits(sets, labels).items():
        try:
            each = exposure_by_group(link_aucs.to_numpy(), of_each, shuffles, settings.bootstrap_resamples, seed)
            counted = compared.groupby(of_each).sum().loc[each.groups["group"]].to_numpy()
            groups[trait] = replace(each, groups=each.groups.assign(comparisons=counted))
        except InputError as error:
            groups[trait] = str(error)
    alike = view.evidence.labelled.exposure_alike
    trend = exposure_by_images(alike.to_numpy(), _images(sets, labels), shuffles, seed)
    by_identity = pd.Series(link_aucs.to_numpy(), index=labels, name="exposure")
    return Exposure(by_identity, groups, trend, int(compared.sum()))


def write_persons(stage: Any, breakdown: Exposure | None, view: View, sets: AuditedSets) -> None:
    """Write whom the set resembles, by one judge, for the owner of the faces alone: `private/`, by name.

    Columns: `identity`; `training_images`; `link_auc`, that of its own class, where the set's classes are authentic
    identities; and those of `exposed_persons`, the nearest class going by its name, or being the nearest image of a set
    without labels.
    """
    names, labels = sets.whole_authentic.identities, sets.identities
    table = exposed_persons(view.sets.synthetic, view.sets.authentic, view.sets.control)
    if sets.by_label:
        table["nearest_class"] = [names[labels[label]] for label in table["nearest_class"]]
    elif sets.synthetic.labels is None:
        table["nearest_class"] = [sets.synthetic.names[row] for row in table["nearest_class"]]
        table = table.rename(columns={"nearest_class": "nearest_image"})
    else:
        table["nearest_class"] = [sets.synthetic.identities[label] for label in table["nearest_class"]]
    table.insert(0, "identity", [names[labels[label]] for label in table.index])
    table.insert(1, "training_images", _images(sets, labels))
    if breakdown is not None:
        table.insert(2, "link_auc", breakdown.by_identity.reindex(labels).to_numpy())
    _write(stage, "exposure", table, view, sets)


def write_pairs(stage: Any, view: View, sets: AuditedSets) -> None:
    """Write the 100 strongest pairs of images by one judge, for the owner of the faces alone: `private/`, by name.

    Columns: `score`; `synthetic_image` and, where the set has labels, `synthetic_class`; `authentic_image` and
    `identity`.
    """
    best = view.scores.strongest
    columns = {"score": best.scores[:STRONGEST].round(4)}
    for faces, rows, image, owner in (
        (sets.synthetic, best.b_rows, "synthetic_image", "synthetic_class"),
        (sets.authentic, best.a_rows, "authentic_image", "identity"),
    ):
        columns[image] = [faces.names[row] for row in rows[:STRONGEST]]
        if faces.labels is not None:
            columns[owner] = [faces.identities[faces.labels[row]] for row in rows[:STRONGEST]]
    _write(stage, "pairs", pd.DataFrame(columns), view, sets)


def _write(stage: Any, kind: str, table: pd.DataFrame, view: View, sets: AuditedSets) -> None:
    with atomic_path(stage.output(f"private/{kind}-{sets.name}-{view.name.replace(' ', '-')}.csv")) as temporary:
        table.to_csv(temporary, index=False)


def planned_exposure(sets: AuditedSets) -> tuple[str, ...]:
    """Names of the claims on exposure that sets allow, whatever their scores."""
    if not sets.by_label:
        return ()
    traits = _traits(sets, sets.identities)
    names = tuple(by_trait(name) for name, of_each in traits.items() if len(comparable_groups(of_each)) > 1)
    return (*names, BY_IMAGES) if len(np.unique(_images(sets, sets.identities))) > 1 else names


def exposure_claims(breakdown: Exposure, view: View) -> list[Claim]:
    """The claims that exposure is the same in all groups, and whatever the number of images."""
    about = {"judge": view.name, "interval": None, "competent": view.competent, "margin": 0.0}
    about["barred"] = view.barred
    every = {"identities": len(breakdown.by_identity), "comparisons": breakdown.comparisons}
    made = []
    for trait, each in breakdown.groups.items():
        if isinstance(each, GroupDifference):
            null = np.sqrt(each.test.null)  # A variance, of which more is all that can be asked.
            made.append(
                Claim(
                    name=by_trait(trait),
                    value=float(np.sqrt(each.test.observed)),
                    chance=float(null.mean()),
                    p_value=each.test.p_value,
                    p_floor=each.test.floor,
                    null_sd=float(null.std()),
                    identities=int(each.groups["identities"].sum()),
                    comparisons=int(each.groups["comparisons"].sum()),
                    **about,
                )
            )
    if (trend := breakdown.by_images) is not None:
        p = {"p_value": trend.p_two_sided, "p_floor": 2 * trend.floor}
        of = {"value": trend.observed, "chance": 0.0, "null_sd": float(trend.null.std())}
        made.append(Claim(BY_IMAGES, **of, **p, **about, **every))
    return made


def _traits(sets: AuditedSets, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Each trait of these identities, those that are not known being a group of their own."""
    if sets.demographics is None:
        return {}
    rows = sets.demographics.traits.reindex(labels).astype(object).fillna("not known")
    return {name: rows[name].to_numpy(str) for name in rows.columns}


def _images(sets: AuditedSets, labels: np.ndarray) -> np.ndarray:
    """How many training images each of these identities has in the whole set."""
    return pd.Series(sets.whole_authentic.labels).value_counts().loc[labels].to_numpy()
