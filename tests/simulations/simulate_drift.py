"""Attributes that drift: found where there is none, where pictures are poorer, and where attributes really differ.

*Drift*, of any attribute after Holm. No drift: a set of other images of the same persons, who have one number in both;
and a set of other persons of the same distribution, `balanced`. For power, persons of `global`, which has other shares
of age and ancestry.

*Poorer pictures*: images stand against a set that is blurred or brought to half the resolution, and the same
degradation is what explains it. Where persons are of one distribution, an attribute is wrongly called that drifts after
Holm, and by more than the degradation explains; of all attributes, drifting or not, a share may be called so that is
its level. For power, nine of ten persons of the set are men.

*Adjusted shares*: the classifier's error rates are measured on 200 persons, and the share of each attribute is adjusted
in a set of others; the truth is the pool's. Of each draw the share of attributes counts whose intervals hold it.
"""

import numpy as np
import pandas as pd
from counting import ALPHA, DRAWS, Averaged, Counted, errors, power
from simulated_pool import POORER, Annotated, set_of

from sface_lib.attributes.calibration import reliability
from sface_lib.attributes.comparison import AnnotatedSet, divergence_table, prevalences, separability
from sface_lib.attributes.divergence import compare_tallies

SIZES = {50: 0.3, 200: 0.8}  # Persons -> what share of the draws must show a difference.
SPLITS, RESAMPLES = 999, 200  # The smallest p, 0.001, is 0.027 after Holm over 27 attributes.
MEN, JUDGED = 0.9, 200
BAND = 0.93, 0.97


def drift(
    balanced: Annotated,
    other: Annotated,
    draws: int = DRAWS,
    sizes: tuple[int, ...] = tuple(SIZES),
    judged: int = JUDGED,
) -> list[Counted | Averaged]:
    """Rows for each size; `other` is `global`, and error rates are measured on `judged` persons."""
    return [
        row
        for count in sizes
        for row in (
            *drifting(balanced, other, draws, count),
            *(row for change in POORER for row in beyond_poorer(balanced, change, draws, count)),
            adjusted(balanced, draws, count, judged),
        )
    ]


def drifting(balanced: Annotated, other: Annotated, draws: int, count: int) -> list[Counted]:
    """Whether any attribute drifts."""
    same = fresh = shifted = 0
    for i in range(draws):
        random = np.random.default_rng([9, count, i])
        chosen = random.choice(len(balanced.labels), 2 * count, replace=False)
        images = random.permutation(balanced.labels.shape[1])
        halves, (a, b) = np.split(images, 2), np.split(chosen, 2)
        first = set_of("first", balanced.labels[a][:, halves[0]], balanced.persons[a], balanced.names)
        second = set_of("second", balanced.labels[a][:, halves[1]], balanced.persons[a], balanced.names)
        others = set_of("second", balanced.labels[b][:, halves[0]], balanced.persons[b], balanced.names)
        far = random.choice(len(other.labels), count, replace=False)
        farther = set_of("second", other.labels[far][:, halves[0]], other.persons[far], other.names)
        same += len(drifted(first, second, i)) > 0
        fresh += len(drifted(first, others, i)) > 0
        shifted += len(drifted(first, farther, i)) > 0
    of = f"{count} persons, drift of any attribute"
    return [
        errors(f"{of}, the same persons", draws, same),
        errors(f"{of}, others of the same distribution", draws, fresh),
        power(f"{of}, global", draws, shifted, SIZES[count]),
    ]


def drifted(first: AnnotatedSet, second: AnnotatedSet, seed: int) -> set[str]:
    """The attributes that differ beyond chance, corrected for all of them."""
    table = divergence_table(compare_tallies(first.tally(), second.tally(), SPLITS, seed))
    return set(table.loc[table["p, corrected"] < ALPHA, "attribute"])


def beyond_poorer(pool: Annotated, change: str, draws: int, count: int) -> list[Counted | Averaged]:
    """Whether attributes drift by more than poorer pictures explain, in a set of such pictures."""
    poorer = pool.poorer[change]
    sharp, persons = pool.labels[-len(poorer) :, : poorer.shape[1]], pool.persons[-len(poorer) :]
    male = pool.names.index("Male")
    men = pool.truth[-len(poorer) :, 0, male] == 1
    wrong, shares, found = 0, [], 0
    for i in range(draws):
        random = np.random.default_rng([10, count, i])
        a, b = np.split(random.choice(len(poorer), 2 * count, replace=False), 2)
        free = np.setdiff1d(np.arange(len(poorer)), a)
        mostly = round(MEN * count)
        uneven = np.concatenate(
            [
                random.choice(free[men[free]], mostly, replace=False),
                random.choice(free[~men[free]], count - mostly, replace=False),
            ]
        )
        first = set_of("first", sharp[a], persons[a], pool.names)
        explained = {change: poorer[a].reshape(-1, poorer.shape[2])}
        for which in (b, uneven):
            second = set_of("second", poorer[which], persons[which], pool.names)
            table = separability(first, second, np.arange(len(first.labels)), explained, RESAMPLES, i)
            separable = table.loc[table[f"separable, {change}"], "attribute"]
            called = drifted(first, second, i) & set(separable)
            if which is b:
                wrong += len(called) > 0
                shares.append(len(separable) / len(pool.names))
            else:
                found += "Male" in called
    of = f"{count} persons, {change}"
    return [
        errors(f"{of}: any attribute that drifts, beyond what poorer pictures explain", draws, wrong),
        Averaged(f"{of}: an attribute beyond what poorer pictures explain, drifting or not", shares, at_most=ALPHA),
        power(
            f"{of}, nine of ten persons are men: gender beyond what poorer pictures explain",
            draws,
            found,
            SIZES[count],
        ),
    ]


def adjusted(pool: Annotated, draws: int, count: int, judged: int) -> Averaged:
    """How many intervals of adjusted shares hold the truth, which the pool has."""
    known = pool.truth != 0
    truth = (pool.truth == 1).sum((0, 1)) / np.maximum(known.sum((0, 1)), 1)
    held = []
    for i in range(draws):
        random = np.random.default_rng([11, count, i])
        measured, own = np.split(random.choice(len(pool.labels), judged + count, replace=False), [judged])
        rates = error_rates(pool, measured)
        labels = np.where(known[own], pool.labels[own], 0)
        table = prevalences([set_of("own", labels, pool.persons[own], pool.names)], rates, RESAMPLES, i)
        table = table[~np.isnan(table["adjusted"])]
        expected = pd.Series(truth, index=pool.names)[table["attribute"]].to_numpy()
        held.append(float(((table["adjusted_low"] <= expected) & (expected <= table["adjusted_high"])).mean()))
    return Averaged(
        f"{count} persons, adjusted shares: intervals that hold the truth", held, at_least=BAND[0], at_most=BAND[1]
    )


def error_rates(pool: Annotated, persons: np.ndarray) -> pd.DataFrame:
    """The classifier's error rates on these persons, by attribute."""
    labels, truth = (values[persons].reshape(-1, len(pool.names)) for values in (pool.labels, pool.truth))
    units = np.repeat(pool.persons[persons], pool.labels.shape[1])
    return reliability(labels.astype(np.float64), labels, truth, pool.names, units).set_index("attribute")
