"""The distribution of the population, first half: what belongs to a person.

Every draw is a function of (seed, split, identity).
"""

import dataclasses

import numpy as np

from sface_lib.errors import InputError
from sface_lib.population.rendering.hair import Beard, Hair
from sface_lib.population.rendering.heads import ANCESTRIES, HeadModel, Shape
from sface_lib.population.rendering.looks import HAIR_COLOURS, IRIS_COLOURS, Skin
from sface_lib.population.rendering.worn import Glasses, Makeup

POPULATION_VERSION = 1  # Version of the population: raised with every change that moves a pixel.
# Identities of two splits share nothing but the distribution; the number seeds them.
SPLITS = {
    "balanced": 1,
    "control": 2,
    "global": 3,
    "benchmark": 4,
    "verifier-train": 5,
    "mac-train": 6,
    "unexposed": 7,
}
GLOBAL_SHARES = (0.12, 0.22, 0.66)  # Of `ANCESTRIES` in the skewed split; the others are balanced.
GLOBAL_MALE = 0.62
DIRECTIONS, DIRECTIONS_SEED = 40, 2022
# Standard deviation of a local change where it moves the surface most, by the first word of its name, and at most.
CHANGE_MM = {"head": 8.5, "forehead": 7.0, "chin": 7.0, "cheek": 5.5, "mouth": 2.0, "nose": 3.2, "ear": 5.0}
OTHER_CHANGE_MM, LARGEST_CHANGE = 4.0, 0.8
ASYMMETRY = 0.12
YEARS = (18.0, 80.0)  # Of anyone in the first photograph,
SHOWN_YEARS = (18.0, 85.0)  # and in any.
# Facial actions that a face at rest keeps: the largest value of a person, most have less.
REST = {
    "eyeBlink": 0.30,
    "eyeSquint": 0.40,
    "browDown": 0.30,
    "browInnerUp": 0.25,
    "browOuterUp": 0.30,
    "noseSneer": 0.12,
    "cheekPuff": 0.15,
    "mouthFrown": 0.10,
    "mouthSmile": 0.40,
    "mouthPucker": 0.15,
    "mouthPress": 0.30,
    "mouthRollLower": 0.20,
    "mouthRollUpper": 0.20,
    "mouthShrugLower": 0.12,
    "mouthShrugUpper": 0.10,
    "jawForward": 0.30,
}
HAIR_BY_ANCESTRY = {  # Shares of `HAIR_COLOURS` without grey.
    "african": (0.86, 0.11, 0.02, 0.01),
    "asian": (0.78, 0.18, 0.03, 0.01),
    "caucasian": (0.20, 0.48, 0.24, 0.08),
}
DYED = 0.35  # Share of women whose hair has any colour.
IRIS_BY_ANCESTRY = {
    "african": (0.90, 0.06, 0.02, 0.01, 0.01),
    "asian": (0.88, 0.08, 0.02, 0.01, 0.01),
    "caucasian": (0.38, 0.14, 0.12, 0.28, 0.08),
}
LIPSTICKS = ((0.70, 0.08, 0.12), (0.80, 0.35, 0.42), (0.45, 0.08, 0.20), (0.72, 0.42, 0.34), (0.80, 0.22, 0.15))
SHADOWS = ((0.25, 0.20, 0.22), (0.45, 0.30, 0.25), (0.30, 0.32, 0.50), (0.40, 0.25, 0.42), (0.28, 0.40, 0.34))
MELANIN = {"african": 0.78, "asian": 0.32, "caucasian": 0.18}


@dataclasses.dataclass(frozen=True)
class Person:
    """One identity: what all its photographs share.

    Attributes
    ----------
    male
        Whether the person is a man.
    ancestry
        One of `ANCESTRIES`: the largest share.
    years
        Age in the first photograph.
    shape
        A `Shape` of one head.
    rest
        Facial actions at rest, by name; both sides alike.
    skin, hair, beard, glasses, makeup
        As usually worn; None where the person has none.
    hats, earrings
        How often a hat is worn, 0..1; radius of the earrings in mm, 0 for none.
    iris
        Name of the iris colour.
    hair_name, greys_at
        Name of the hair colour, and the age in years at which half of it is grey.
    """

    male: bool
    ancestry: str
    years: float
    shape: Shape
    rest: dict[str, float]
    skin: Skin
    hair: Hair
    beard: Beard | None
    glasses: Glasses | None
    makeup: Makeup | None
    hats: float
    earrings: float
    iris: str
    hair_name: str
    greys_at: float


def draw_person(model: HeadModel, split: str, identity: int, seed: int) -> Person:
    """The person with this number.

    Raises
    ------
    InputError
        There is no such split, or the number is negative.
    """
    if split not in SPLITS or identity < 0:
        raise InputError(
            f"split {split!r}, identity {identity}: choose one of {', '.join(SPLITS)}, and a number from 0"
        )
    rng = np.random.default_rng([seed, SPLITS[split], identity])
    if split == "global":
        male, main = bool(rng.random() < GLOBAL_MALE), int(rng.choice(3, p=GLOBAL_SHARES))
    else:
        male, main = bool(identity % 2), identity // 2 % 3
    share = rng.beta(7, 1.2)
    ancestry = np.full(3, 0.0)
    ancestry[main] = share
    rest = rng.dirichlet([1, 1]) * (1 - share)
    ancestry[[i for i in range(3) if i != main]] = rest
    years = float(rng.triangular(YEARS[0], 28, YEARS[1]))
    masculinity = rng.beta(8, 2) if male else rng.beta(2, 8)
    shape = Shape(
        np.array([masculinity]),
        np.array([age_parameter(years)]),
        np.array([rng.beta(2, 2)]),
        ancestry[None],
        draw_changes(model, rng)[None],
    )
    name = ANCESTRIES[main]
    shares = np.full(4, 0.25) if not male and rng.random() < DYED else HAIR_BY_ANCESTRY[name]
    hair_name = str(rng.choice(list(HAIR_COLOURS)[:4], p=shares))
    hair_colour = np.clip(
        np.array(HAIR_COLOURS[hair_name]) * rng.lognormal(0, 0.12) * rng.lognormal(0, 0.05, 3), 0.02, 0.95
    )
    iris = str(rng.choice(list(IRIS_COLOURS), p=IRIS_BY_ANCESTRY[name]))
    return Person(
        male=male,
        ancestry=name,
        years=years,
        shape=shape,
        rest={name: float(largest * rng.beta(1, 1.6)) for name, largest in REST.items()},
        skin=_draw_skin(rng, ancestry, male),
        hair=_draw_hair(rng, hair_colour, male, years, name),
        beard=_draw_beard(rng) if male and rng.random() < 0.35 else None,
        glasses=draw_glasses(rng) if rng.random() < 0.25 else None,
        makeup=_draw_makeup(rng) if not male and rng.random() < 0.6 else None,
        hats=float(rng.random() ** 4 * 0.4),
        earrings=float(rng.choice([0, 2.5, 7, 12], p=(0.9, 0.08, 0.02, 0) if male else (0.4, 0.3, 0.2, 0.1))),
        iris=iris,
        hair_name=hair_name,
        greys_at=float(rng.normal(58, 11)),
    )


def draw_changes(model: HeadModel, rng: np.random.Generator) -> np.ndarray:
    """Local changes of one head: correlated, nearly symmetric, clipped; standard deviations set by millimetres."""
    names, unsided = model.change_names, model.change_kinds
    distinct = sorted(set(unsided))
    directions = np.random.default_rng(DIRECTIONS_SEED).standard_normal((len(distinct), DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values = np.clip(directions @ rng.standard_normal(DIRECTIONS), -1.7, 1.7)
    at = np.array([distinct.index(name) for name in unsided])
    limit = np.array([CHANGE_MM.get(name.split("-")[0], OTHER_CHANGE_MM) for name in unsided])
    spread = np.minimum(LARGEST_CHANGE, limit / model.change_sizes)
    sided = np.array([name != kind for name, kind in zip(names, unsided, strict=True)])
    across = np.array(["trans-out" in name or "angle-out" in name for name in names]) & ~sided
    changes = values[at] * spread * np.where(across, ASYMMETRY, 1)
    return np.clip(changes + rng.standard_normal(len(names)) * ASYMMETRY * spread * sided, -1, 1)


def age_parameter(years: float) -> float:
    """The body model's age of an adult: 0.62 at 18 years, 1 at 80."""
    return float(np.clip(0.62 + 0.38 * (years - YEARS[0]) / (YEARS[1] - YEARS[0]), 0.6, 1))


def shown_years(person: Person, years: float) -> float:
    """Age in a photograph taken so many years after the first one."""
    return float(np.clip(person.years + years, *SHOWN_YEARS))


def grey_share(person: Person, age: float) -> float:
    """How much of the hair is grey at this age, 0..1."""
    return float(np.clip((age - person.greys_at) / 14 + 0.5, 0, 1))


def hair_colour(person: Person, age: float) -> np.ndarray:
    """sRGB `[3]` of the hair in this decade of life."""
    share = grey_share(person, decade(age))
    return (1 - share) * person.hair.colour + share * np.array(HAIR_COLOURS["gray"])


def decade(age: float) -> float:
    """The nearest full decade: what changes slowly is painted once for all photographs of it."""
    return 10.0 * round(age / 10)


def _draw_skin(rng: np.random.Generator, ancestry: np.ndarray, male: bool) -> Skin:
    melanin = float(np.clip(ancestry @ [MELANIN[name] for name in ANCESTRIES] + rng.normal(0, 0.10), 0.02, 1.15))
    freckles = rng.poisson(90 * rng.random() ** 4 * (melanin < 0.4))
    moles = rng.poisson(3)
    spots = np.concatenate(
        [
            _spots(rng, freckles, rng.normal([0, -28], [26, 14], (freckles, 2)), (0.4, 1.0), (0.08, 0.3)),
            _spots(rng, moles, rng.uniform([-80, -100], [80, 55], (moles, 2)), (0.8, 2.0), (0.4, 0.9)),
        ]
    )
    return Skin(
        melanin=melanin,
        blood=rng.uniform(0.35, 0.95),
        mottling=rng.beta(1.8, 1.8),
        flush=rng.beta(1.5, 2.5),
        sockets=rng.beta(1.2, 2),
        spots=spots,
        lip_redness=rng.beta(2, 3) + 0.25 * (not male),
        brow_height_mm=rng.normal(0, 2.2),
        brow_thickness_mm=rng.uniform(4.5, 11.5) if male else rng.uniform(3, 8.5),
        brow_arch_mm=rng.uniform(1, 4.5) if male else rng.uniform(2.5, 6.5),
        brow_length_mm=rng.uniform(34, 44),
        brow_density=rng.uniform(0.4, 1.0),
        stubble=rng.random() * male,
        seed=int(rng.integers(2**31)),
    )


def _spots(rng: np.random.Generator, n: int, places: np.ndarray, radius_mm: tuple, darkness: tuple) -> np.ndarray:
    return np.c_[places, rng.uniform(*radius_mm, n), rng.uniform(*darkness, n)]


def lines_of_age(years: float) -> float:
    """Strength of the lines of age, 0..1."""
    return float(np.clip((years - 32) / 45, 0, 1))


def _draw_hair(rng: np.random.Generator, colour: np.ndarray, male: bool, years: float, ancestry: str) -> Hair:
    curl = rng.beta(6, 2) if ancestry == "african" else rng.beta(1.3, 4)
    bald = male and rng.random() < 0.05 + 0.25 * np.clip((years - 35) / 40, 0, 1)
    long = rng.random() < (0.10 if male else 0.72)
    return Hair(
        colour=colour,
        thickness_mm=0.0 if bald else rng.uniform(3, 14) + 16 * curl * (rng.random() < 0.6),
        curl=curl,
        hairline_mm=62 + rng.normal(0, 5),
        recession_mm=abs(rng.normal(0, 9)) * np.clip((years - 25) / 40, 0, 1) if male else 0.0,
        bangs_mm=rng.uniform(10, 30) if rng.random() < 0.22 else 0.0,
        length_mm=rng.uniform(50, 190) if long and not bald else None,
        parting_degrees=rng.uniform(50, 68),
        sweep=rng.uniform(-1, 1),
        peak_mm=rng.exponential(3.0),
        seed=int(rng.integers(2**31)),
    )


def _draw_beard(rng: np.random.Generator) -> Beard:
    moustache, chin, cheeks = [(1, 1, 1), (1, 1, 0), (1, 0, 0), (0, 1, 0)][rng.choice(4, p=(0.5, 0.25, 0.15, 0.10))]
    return Beard(rng.uniform(0.8, 9), moustache, chin, cheeks)


def draw_glasses(rng: np.random.Generator) -> Glasses:
    """Glasses with clear lenses."""
    colour = np.array([(0.06, 0.05, 0.05), (0.30, 0.18, 0.10), (0.62, 0.60, 0.56), (0.45, 0.08, 0.08)][rng.integers(4)])
    return Glasses(rng.uniform(22, 27), rng.uniform(14, 22), rng.random(), rng.uniform(0.5, 2.0), colour, 0.0)


def _draw_makeup(rng: np.random.Generator) -> Makeup:
    """Habits of make-up: none of it is strong, or some of it is."""
    lipstick = np.array(LIPSTICKS[rng.integers(len(LIPSTICKS))]) * rng.uniform(0.85, 1.15)
    shadow = np.array(SHADOWS[rng.integers(len(SHADOWS))]) * rng.uniform(0.8, 1.2)
    return Makeup(lipstick, shadow, *(rng.beta(1.2, 1.2, 3) * [0.75, 0.6, 0.8]))
