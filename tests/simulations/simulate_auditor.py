"""What is said without common labels, where pictures come from another world.

Training, control, synthetic and unexposed persons are disjoint and drawn at random, 100 of each, with 5 images. The
synthetic set is blurred, colour-cast, JPEG-ed, of half the resolution or noised, or drawn by a generator of other
persons. Where nothing leaks, neither the label-free link, nor membership of persons, nor the leak share may say
anything; and where control persons are not relied on, neither may the difference to an unexposed set, under the same
change or another one. Where training persons are of `balanced`, and control and unexposed persons of `global`, no leak
share is given, and how often the set is called nearer to the training set is told without a bar: it would be no error.

Where 5, 10 or 20 % of the classes are replaced by other images of training persons, each of another person or all of
three, the bound may lie above that share in 5 % of the draws, and must be above 0 as often as the 5 % sign test of the
difference, less ten points.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from counting import ALPHA, DRAWS, SHUFFLES, Counted, errors
from simulated_pool import CHANGED, CHANGES, GENERATOR, Pool, flat

from sface_lib.biometrics import templates
from sface_lib.privacy import holm, label_free_link, membership
from sface_lib.privacy.leakshare import distinct_persons, leak_share
from sface_lib.privacy.nearness import nearness_difference

IMAGES, RESAMPLES, LEVEL = 5, 99, 1 - ALPHA
FEW, CLASSES = 3, (100, 200, 1000)
SILENT = ("label-free link", "membership of persons", "leak share above 0", "any of them after Holm")
UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Design:
    """What is simulated: persons of each kind, the pool's last persons that are changed, and how.

    `pairs` are further pairs of the synthetic set's change and the unexposed one's; `shares` are of classes that leak.
    """

    persons: int = 100
    changed: int = CHANGED
    changes: tuple[str, ...] = (*CHANGES, GENERATOR)
    pairs: tuple[tuple[str, str], ...] = (("blurred", "noise"), ("JPEG 60", "colour cast"))
    shares: tuple[float, ...] = (0.05, 0.1, 0.2)

    @property
    def against(self) -> list[tuple[str, str]]:
        """The synthetic set's change and the unexposed one's, of each comparison."""
        return [*((change, UNCHANGED) for change in self.changes), *self.pairs]

    @property
    def cases(self) -> int:
        """Cases in which nothing leaks, by two judges."""
        return 2 * (len(SILENT) * (1 + len(self.changes)) + len(self.against))


DESIGN = Design()


def auditor(pool: Pool, judge: str, draws: int = DRAWS, other: Pool | None = None) -> list[Counted]:
    """Rows of all cases; `other` are the persons of another distribution."""
    found = [*silent(pool, judge, draws), *against_unexposed(pool, judge, draws)]
    if other is not None:
        found.append(of_two_distributions(pool, other, judge, draws))
    for classes in CLASSES:
        found += leaking(pool, judge, draws, classes)
    return found


def silent(pool: Pool, judge: str, draws: int, design: Design = DESIGN) -> Iterator[Counted]:
    """Nothing leaks, and control and training persons are of one distribution."""
    for change in (UNCHANGED, *design.changes):
        said = np.zeros(len(SILENT), int)
        for i in range(draws):
            random = np.random.default_rng([1, i])
            training, control = of_others(pool, random, design)
            drawn, _ = synthetic(pool, change, random, design)
            owners = np.arange(2 * design.persons).reshape(2, -1)
            link = label_free_link(drawn, training, control, SHUFFLES, 100, i)
            members = membership(drawn, training, owners[0], control, owners[1], SHUFFLES, 100, i)
            p = np.array([link.test.p_two_sided, members.test.p_two_sided])
            said[:2] += p <= ALPHA
            said[2] += bound(drawn, training, control, i) > 0
            said[3] += (holm(p) <= ALPHA).any()
        for name, count in zip(SILENT, said.tolist(), strict=True):
            yield errors(f"{judge}, {change}, {name}", draws, count, design.cases)


def against_unexposed(pool: Pool, judge: str, draws: int, design: Design = DESIGN) -> Iterator[Counted]:
    """Nothing leaks, and the set is held against an unexposed one."""
    for change, others in design.against:
        said = 0
        for i in range(draws):
            random = np.random.default_rng([2, i])
            training, control = of_others(pool, random, design)
            drawn, places = synthetic(pool, change, random, design)
            unexposed, _ = synthetic(pool, others, random, design, places)
            found = nearness_difference(drawn, unexposed, training, control, RESAMPLES, i)
            said += found.best.test.p_two_sided <= ALPHA
        yield errors(f"{judge}, {change} against an unexposed set, {others}", draws, said, design.cases)


def of_two_distributions(pool: Pool, other: Pool, judge: str, draws: int, design: Design = DESIGN) -> Counted:
    """The set has the training persons' distribution, control and unexposed persons another one."""
    said = 0
    for i in range(draws):
        random = np.random.default_rng([3, i])
        training, _ = of_others(pool, random, design)
        drawn, _ = synthetic(pool, UNCHANGED, random, design)
        control, unexposed = (centres(part[:, :IMAGES]) for part in np.split(other.draw(random, 2 * design.persons), 2))
        found = nearness_difference(drawn, unexposed, training, control, RESAMPLES, i)
        said += found.best.estimate.value > 0 and found.best.test.p_two_sided <= ALPHA
    return Counted(f"{judge}, control persons of another distribution: nearer to the training set", draws, said)


def leaking(pool: Pool, judge: str, draws: int, classes: int, design: Design = DESIGN) -> Iterator[Counted]:
    """Some classes are other images of training persons."""
    for share in design.shares:
        for persons in (design.persons, FEW):
            above = positive = signs = 0
            for i in range(draws):
                random = np.random.default_rng([4, i])
                drawn = pool.draw(random, 2 * design.persons + classes)
                training, control, others = np.split(drawn, [design.persons, 2 * design.persons])
                leaked = round(share * classes)
                followed = np.resize(random.permutation(design.persons)[:persons], leaked)
                rows = np.concatenate([training[followed, IMAGES:], others[leaked:, :IMAGES]])
                if leaked > persons:  # Several classes of one person are of other images of it.
                    rows[:leaked] = random.permuted(rows[:leaked], axis=1)
                    drawn_images = random.integers(0, IMAGES, (leaked, IMAGES))
                    rows[:leaked] = rows[np.arange(leaked)[:, None], drawn_images]
                galleries = centres(training[:, :IMAGES]), centres(control[:, :IMAGES])
                drawn = centres(rows)
                found = bound(drawn, *galleries, i)
                above += found > share
                positive += found > 0
                signs += label_free_link(drawn, *galleries, SHUFFLES, 100, i).test.p_value <= ALPHA
            case = f"{judge}, {classes:,} classes, {share:.0%} follow {'a person each' if persons > FEW else 'three'}"
            yield errors(f"{case}, bound above the share", draws, above)
            yield Counted(
                f"{case}, bound above 0 (the sign test rejects in {signs})",
                draws,
                positive,
                at_least=max(0, round(signs - draws / 10)),
            )


def bound(drawn: np.ndarray, training: np.ndarray, control: np.ndarray, seed: int) -> float:
    """The leak share of class centres."""
    own, unseen = (
        rows[kept] for rows, kept in zip((training, control), distinct_persons(training, control, seed), strict=True)
    )
    return leak_share(drawn @ own.T, drawn @ unseen.T, LEVEL, SHUFFLES, seed).bound


def of_others(pool: Pool, random: np.random.Generator, design: Design) -> list[np.ndarray]:
    """Centres of training and of control persons, who are neither changed nor the generator's."""
    first = len(pool.changed[GENERATOR])
    chosen = random.permutation(np.arange(first, len(pool.rows) - design.changed))[: 2 * design.persons]
    return [centres(part[:, :IMAGES]) for part in np.split(pool.of(chosen, random), 2)]


def synthetic(
    pool: Pool, change: str, random: np.random.Generator, design: Design, taken: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Class centres of a set under a change, and which of the changed persons it is of; none that is taken."""
    rows = pool.changed[change] if change != UNCHANGED else pool.rows[-design.changed :, :IMAGES]
    free = np.arange(len(rows))
    if taken is not None and change != GENERATOR:
        free = np.setdiff1d(free, taken)
    places = random.permutation(free)[: design.persons]
    return centres(rows[places]), places if change != GENERATOR else np.arange(0)


def centres(rows: np.ndarray) -> np.ndarray:
    """Templates `[K, d]` of rows `[K, I, d]`."""
    return templates(*flat(rows))[1]
