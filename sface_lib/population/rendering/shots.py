"""The distribution of the population, second half: what belongs to one photograph of a person.

Every draw is a function of (seed, split, identity, image): any image can be made alone.
"""

import dataclasses

import numpy as np

from sface_lib.population.rendering.hair import Beard, Hair
from sface_lib.population.rendering.heads import HeadModel
from sface_lib.population.rendering.persons import SPLITS, YEARS, Person, draw_glasses, hair_colour, shown_years
from sface_lib.population.rendering.render import Light, View
from sface_lib.population.rendering.worn import Glasses, Hat, Makeup

# Facial actions of an expression, by name of the action; sides that are left out move both.
EXPRESSIONS = {
    "neutral": {},
    "smile": {"mouthSmile": 0.9, "cheekSquint": 0.4},
    "laugh": {"mouthSmile": 0.9, "jawOpen": 0.35, "cheekSquint": 0.6, "eyeSquint": 0.4},
    "frown": {"browDown": 0.8, "mouthFrown": 0.5},
    "surprise": {"browInnerUp": 0.8, "browOuterUp": 0.7, "eyeWide": 0.5, "jawOpen": 0.3},
    "talk": {"jawOpen": 0.25, "mouthFunnel": 0.4},
    "pout": {"mouthPucker": 0.6},
    "sneer": {"noseSneer": 0.6, "mouthUpperUp": 0.3},
}
EXPRESSION_SHARES = (0.32, 0.26, 0.10, 0.07, 0.06, 0.09, 0.05, 0.05)
MASKS = np.array([(0.75, 0.85, 0.92), (0.95, 0.95, 0.95), (0.08, 0.08, 0.09)])


@dataclasses.dataclass(frozen=True)
class Shot:
    """One photograph: everything about it that is not the person.

    Attributes
    ----------
    view
        Camera and lights.
    expression, strength
        Name of an expression, and how much of it.
    gaze_mm
        Where the irises are, to the left and up.
    years
        Years since the first photograph, negative before it.
    hair, beard, glasses, makeup, hat, earrings, mask
        What is worn in it; the mask is its colour.
    exposure, gamma, white_balance
        Of the development; the last is a factor of red, green and blue.
    blur_px, noise, jpeg_quality
        In pixels of the crop; share of full scale; 1..100.
    background, occluder
        Seeds; None for no occluder.
    """

    view: View
    expression: str
    strength: float
    gaze_mm: tuple[float, float]
    years: float
    hair: Hair
    beard: Beard | None
    glasses: Glasses | None
    makeup: Makeup | None
    hat: Hat | None
    earrings: float
    mask: np.ndarray | None
    exposure: float
    gamma: float
    white_balance: tuple[float, float, float]
    blur_px: float
    noise: float
    jpeg_quality: int
    background: int
    occluder: int | None


def draw_shot(person: Person, split: str, identity: int, image: int, seed: int) -> Shot:
    """The nuisance of the image with this number."""
    rng = np.random.default_rng([seed, SPLITS[split], identity, image + 1])
    yaw = rng.normal(0, 15) if rng.random() < 0.78 else rng.uniform(-75, 75)
    years = rng.uniform(-8, 8)
    if split == "benchmark":
        yaw, years = _benchmark_slot(rng, person, image, yaw, years)
    expression = str(rng.choice(list(EXPRESSIONS), p=EXPRESSION_SHARES))
    view = View(
        yaw=float(np.clip(yaw, -75, 75)),
        pitch=float(np.clip(rng.normal(0, 9), -28, 28)),
        roll=float(rng.normal(0, 5)),
        distance_mm=float(np.exp(rng.uniform(np.log(550), np.log(2500)))),
        lights=_draw_lights(rng),
        ambient=rng.uniform(0.30, 0.58),
        shine=rng.beta(1.5, 5) * 0.5,
    )
    worn = _draw_worn(rng, person, shown_years(person, years))
    warm = rng.normal(0.01, 0.05)
    return Shot(
        view=view,
        expression=expression,
        strength=rng.uniform(0.5, 1.0),
        gaze_mm=(float(rng.normal(0, 1.5)), float(rng.normal(0, 0.8))),
        years=float(years),
        **worn,
        exposure=float(rng.lognormal(0, 0.20)),
        gamma=float(rng.lognormal(0, 0.10)),
        white_balance=(float(np.exp(warm)), 1.0, float(np.exp(-warm))),
        blur_px=float(rng.exponential(0.18)),
        noise=float(rng.exponential(0.004)),
        jpeg_quality=int(rng.integers(65, 98)),
        background=int(rng.integers(2**31)),
        occluder=int(rng.integers(2**31)) if rng.random() < 0.06 else None,
    )


def _benchmark_slot(rng: np.random.Generator, person: Person, image: int, yaw: float, years: float):
    """Yaw and years of a benchmark's image: of ten, two are profiles, three frontal, two of another age."""
    slot = image % 10
    if slot < 2:
        yaw = rng.choice([-1, 1]) * rng.uniform(60.5, 70)
    elif slot < 5:
        yaw = rng.uniform(-10, 10)
    elif slot < 7:
        yaw = rng.normal(0, 15)
        years = rng.uniform(24, 32) * (1 if person.years < (YEARS[0] + YEARS[1]) / 2 else -1)
    return yaw, years


def _draw_lights(rng: np.random.Generator) -> tuple[Light, Light]:
    """A key light and a weaker one from another side."""
    lights = []
    for strength, spread in ((rng.uniform(0.45, 0.90), 28), (rng.uniform(0.05, 0.45), 75)):
        around, up = np.radians(np.clip(rng.normal(0, spread), -110, 110)), np.radians(rng.uniform(-5, 60))
        direction = (np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up))
        warm = np.exp(rng.normal(0.02, 0.06))
        lights.append(
            Light(
                tuple(map(float, direction)),
                (float(min(warm, 1)), float(min(warm, 1 / warm)) ** 0.3, float(min(1 / warm, 1))),
                float(strength),
            )
        )
    return tuple(lights)


def _draw_hat(rng: np.random.Generator) -> Hat:
    colour = np.clip(rng.beta(1.2, 2) + rng.normal(0, 0.09, 3), 0.02, 0.95)
    brim = rng.uniform(35, 65) if rng.random() < 0.6 else 0.0
    return Hat(rng.uniform(34, 50), rng.uniform(10, 24), brim, colour)


def _draw_worn(rng: np.random.Generator, person: Person, age: float) -> dict[str, object]:
    """Hair, beard, glasses and the rest of one day, by the names of a `Shot`: mostly as usual."""
    hair, beard, glasses = person.hair, person.beard, person.glasses
    hair = dataclasses.replace(hair, colour=hair_colour(person, age))
    if rng.random() < 0.25 and hair.thickness_mm > 0:
        hair = _another_day(rng, hair)
    if beard is not None and rng.random() < 0.3:
        shaven = rng.random() < 0.4
        beard = None if shaven else dataclasses.replace(beard, length_mm=beard.length_mm * rng.uniform(0.3, 1.5))
    if glasses is not None and rng.random() < 0.25:
        glasses = None
    if rng.random() < 0.02:
        glasses = dataclasses.replace(draw_glasses(rng), dark=0.92)
    hat = _draw_hat(rng) if rng.random() < person.hats else None
    if hat is not None:
        hair = dataclasses.replace(hair, thickness_mm=min(hair.thickness_mm, 6.0))
    return {
        "hair": hair,
        "beard": beard,
        "glasses": glasses,
        "makeup": person.makeup if rng.random() < 0.7 else None,
        "hat": hat,
        "earrings": person.earrings if rng.random() < 0.7 else 0.0,
        "mask": MASKS[rng.integers(len(MASKS))] * rng.uniform(0.8, 1.1) if rng.random() < 0.01 else None,
    }


def _another_day(rng: np.random.Generator, hair: Hair) -> Hair:
    """The same hair, cut, tied or combed in another way."""
    length = hair.length_mm
    if length is not None:
        length = None if rng.random() < 0.5 else length * rng.uniform(0.5, 1)
    return dataclasses.replace(
        hair,
        thickness_mm=hair.thickness_mm * rng.uniform(0.5, 1.4),
        bangs_mm=rng.uniform(8, 26) if rng.random() < 0.3 else 0.0,
        length_mm=length,
        seed=int(rng.integers(2**31)),
    )


def actions_of(model: HeadModel, person: Person, shot: Shot) -> np.ndarray:
    """Facial actions `[1, A]` of a shot, by the names of `HeadModel.action_names`."""
    wanted = EXPRESSIONS[shot.expression]
    strip = [name.removesuffix("Left").removesuffix("Right") for name in model.action_names]
    values = [person.rest.get(name, 0.0) + shot.strength * wanted.get(name, 0.0) for name in strip]
    return np.clip([values], 0, 1)
