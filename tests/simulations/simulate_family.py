"""The whole family of one synthetic set: every claim that the report makes of it, by all judges, after Holm.

Persons at random train with two to five images each, which stand beside as many unseen images of each, and beside as
many control persons; the synthetic set has a class of five images for each training person. Its claims, by each judge:
the same-label link, rank-1 identification and the nearest image, all within groups of gender and ancestry; the
label-free link; membership of images and of persons; and exposure by gender, by ancestry and by number of training
images. *Nothing linked*: the classes are other persons, drawn at random. *Linked*: they are moved some way toward the
training images, which is too little for each claim to show it; how often each does is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
from counting import DRAWS, Counted, errors, power
from simulated_pool import Pool, flat, unit

from sface_lib.biometrics import templates
from sface_lib.chapters.privacy.exposure import Exposure, exposure_claims
from sface_lib.matching import bootstrap_comparison, compare_sets
from sface_lib.privacy import (
    auc_table,
    label_free_link,
    membership,
    membership_of_images,
    shuffle_test,
    verdicts,
)
from sface_lib.privacy.chance import Tested
from sface_lib.privacy.evidence import ByLabel, Evidence
from sface_lib.privacy.exposure import exposure_by_group, exposure_by_images, exposures, of_equal_images
from sface_lib.privacy.groups import exchangeable
from sface_lib.privacy.identification import nearest_label, rank_1
from sface_lib.privacy.statistics import claims_of
from sface_lib.privacy.unlabelled import Galleries
from sface_lib.privacy.verdict import ABOVE, BELOW

IMAGES, FEWEST, MARGIN = 5, 2, 0.1
SHUFFLES, RESAMPLES = 799, 100  # The smallest two-sided p, 0.0025, is 0.045 after Holm over 18 claims.
MOVES, FLOOR = {50: 0.12}, 0.8  # Persons -> how far classes are moved toward training persons.
ANY = "any claim after Holm"


def family(pools: Mapping[str, Pool], draws: int = DRAWS, sizes: tuple[int, ...] = tuple(MOVES)) -> list[Counted]:
    """Rows for each size, with nothing linked and with a link: of the family, and of each claim in it."""
    found = []
    for count in sizes:
        for way in (0.0, MOVES[count]):
            said: dict[str, int] = {}
            for i in range(draws):
                for name, called in said_of(pools, count, way, i).items():
                    said[name] = said.get(name, 0) + called
            case = f"{count} persons, " + (f"moved by {100 * way:.0f} %" if way else "nothing linked")
            for name, number in said.items():
                about = f"{case}: {name}", draws, number
                if not way:
                    found.append(errors(*about))
                else:
                    found.append(power(*about, FLOOR) if name == ANY else Counted(*about))
    return found


def said_of(pools: Mapping[str, Pool], count: int, way: float, seed: int) -> dict[str, bool]:
    """What is called in one draw: anything, and each claim, after Holm over all of them."""
    claims = []
    for judge, pool in pools.items():
        view = SimpleNamespace(name=judge, competent=True, barred="")
        sets = drawn(pool, count, way, seed)
        evidence = evidence_of(sets, seed)
        claims += claims_of(evidence, judge, True, MARGIN)
        claims += exposure_claims(exposure_of(evidence, sets, seed), view)
    called = [verdict.words in (ABOVE, BELOW) for verdict in verdicts(claims)]
    names = [f"{claim.name}, by {claim.judge}, after Holm" for claim in claims]
    return {ANY: any(called)} | dict(zip(names, called, strict=True))


@dataclass(frozen=True, eq=False)
class Drawn:
    """The sets of one draw by one judge; persons are the same for every judge.

    Attributes
    ----------
    training, held_out, synthetic
        Unit embeddings `[N, d]` and labels `[N]`.
    galleries
        Training and control persons.
    traits
        Gender and ancestry of each training person.
    """

    training: tuple[np.ndarray, np.ndarray]
    held_out: tuple[np.ndarray, np.ndarray]
    synthetic: tuple[np.ndarray, np.ndarray]
    galleries: Galleries
    traits: pd.DataFrame

    @property
    def classes(self) -> np.ndarray:
        """Templates `[K, d]` of the synthetic classes."""
        return templates(*self.synthetic)[1]


def drawn(pool: Pool, count: int, way: float, seed: int) -> Drawn:
    """Persons at random, and classes of others, moved so far toward training images."""
    random = np.random.default_rng([8, count, seed])
    persons = random.choice(len(pool.rows), 3 * count, replace=False)
    rows, control, others = np.split(pool.of(persons, random), 3)
    images = random.integers(FEWEST, IMAGES + 1, count)
    kept, labels = np.arange(IMAGES) < images[:, None], np.repeat(np.arange(count), images)
    training, held_out = ((part[kept], labels) for part in np.split(rows, 2, axis=1))
    toward = rows[np.arange(count)[:, None], np.arange(IMAGES) % images[:, None]]
    synthetic = flat(unit((1 - way) * others[:, :IMAGES] + way * toward))
    traits = [group.split(", ") for group in pool.groups[persons[:count]]]
    galleries = Galleries.of(training, flat(control[:, :IMAGES]), seed)
    return Drawn(training, held_out, synthetic, galleries, pd.DataFrame(traits, columns=["gender", "ancestry"]))


def evidence_of(sets: Drawn, seed: int) -> Evidence:
    """What the claims rest on, and nothing else."""
    times = SHUFFLES, RESAMPLES, seed
    own, unseen = sets.galleries.templates
    owners = np.arange(2 * len(own)).reshape(2, -1)
    return Evidence(
        sets=None,
        shuffles=SHUFFLES,
        seed=seed,
        by_pair={},
        by_identity={},
        labelled=by_label(sets, seed),
        label_free=label_free_link(sets.classes, own, unseen, *times),
        open_set=None,
        images=membership_of_images(sets.synthetic[0], *sets.training, *sets.held_out, *times),
        images_pooled=None,
        persons=membership(sets.classes, own, owners[0], unseen, owners[1], *times),
        unlabelled=(),
        nearer={},
    )


def by_label(sets: Drawn, seed: int) -> ByLabel:
    """What equal labels show, within groups of gender and ancestry."""
    groups, times = sets.traits.agg(", ".join, axis=1), (SHUFFLES, RESAMPLES, seed)
    link = compare_sets(*sets.training, *sets.synthetic)
    among = exchangeable(groups.index.to_numpy(), groups)
    renamed = link.among(among)
    test = shuffle_test(auc_table(renamed.blocks), SHUFFLES, seed, groups)
    auc = bootstrap_comparison(renamed, RESAMPLES, seed)["auc"]
    return ByLabel(
        link=Tested(auc, test),
        rank_1=rank_1(*sets.synthetic, *sets.training, *times, groups=groups),
        neighbours=nearest_label(*sets.synthetic, *sets.training, *times, groups=groups),
        renamed=len(among),
        growth=pd.DataFrame(),
        tail=pd.DataFrame(),
        exposure=exposures(link.blocks),
        exposure_alike=exposures(of_equal_images(link.blocks)),
    )


def exposure_of(evidence: Evidence, sets: Drawn, seed: int) -> Exposure:
    """By gender, ancestry and number of training images."""
    of_each, alike = evidence.labelled.exposure, evidence.labelled.exposure_alike
    groups = {}
    for name, trait in sets.traits.items():
        found = exposure_by_group(of_each.to_numpy(), trait.to_numpy(str), SHUFFLES, RESAMPLES, seed)
        groups[name] = replace(found, groups=found.groups.assign(comparisons=0))  # They are shown, and decide nothing.
    trend = exposure_by_images(alike.to_numpy(), np.bincount(sets.training[1]), SHUFFLES, seed)
    return Exposure(of_each, groups, trend, comparisons=0)
