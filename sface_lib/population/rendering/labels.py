"""Ground truth of a photograph: identity, nuisance, and the MAAD-Face attributes that the construction decides."""

import numpy as np

from sface_lib.population.rendering.heads import head_model
from sface_lib.population.rendering.persons import Person, decade, grey_share, shown_years
from sface_lib.population.rendering.shots import Shot

# In MAAD-Face's order. Undefined here, always 0: what is not built or is a matter of opinion.
ATTRIBUTES = (
    "Male", "Young", "Middle_Aged", "Senior", "Asian", "White", "Black", "Rosy_Cheeks", "Shiny_Skin", "Bald",
    "Wavy_Hair", "Receding_Hairline", "Bangs", "Sideburns", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair",
    "No_Beard", "Mustache", "5_o_Clock_Shadow", "Goatee", "Oval_Face", "Square_Face", "Round_Face", "Double_Chin",
    "High_Cheekbones", "Chubby", "Obstructed_Forehead", "Fully_Visible_Forehead", "Brown_Eyes", "Bags_Under_Eyes",
    "Bushy_Eyebrows", "Arched_Eyebrows", "Mouth_Closed", "Smiling", "Big_Lips", "Big_Nose", "Pointy_Nose",
    "Heavy_Makeup", "Wearing_Hat", "Wearing_Earrings", "Wearing_Necktie", "Wearing_Lipstick", "No_Eyewear",
    "Eyeglasses", "Attractive",
)  # fmt: skip
CLEAR_SHARE = 0.6  # Of an ancestry, to be called by it.
# Local changes of the head, both sides and all of them averaged, that decide an attribute of shape.
SHAPES = {
    "Double_Chin": ("neck-double-incr",),
    "High_Cheekbones": ("cheek-bones-incr",),
    "Bags_Under_Eyes": ("eye-bag-incr", "eye-bag-out"),
    "Big_Lips": ("mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr", "mouth-scale-vert-incr"),
    "Big_Nose": ("nose-volume-incr", "nose-scale-horiz-incr", "nose-scale-depth-incr"),
}
# What cannot be told under a mask, a hat, or dark glasses.
LOWER_FACE = (
    "Rosy_Cheeks", "No_Beard", "Mustache", "5_o_Clock_Shadow", "Goatee", "Mouth_Closed", "Smiling", "Big_Lips",
    "Big_Nose", "Double_Chin", "Wearing_Lipstick",
)  # fmt: skip
TOP = ("Bald", "Wavy_Hair", "Receding_Hairline", "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")
EYES = ("Brown_Eyes", "Bushy_Eyebrows", "Arched_Eyebrows", "Bags_Under_Eyes")


def attributes(person: Person, shot: Shot) -> dict[str, int]:
    """Every attribute of `ATTRIBUTES`: 1 present, -1 absent, 0 undefined."""
    dark = shot.glasses is not None and shot.glasses.dark > 0
    labels = _of_person(person, shot) | _of_hair(person, shot) | _of_things(shot, dark)
    unseen = LOWER_FACE * (shot.mask is not None) + TOP * (shot.hat is not None) + EYES * dark
    return {name: 0 if name in unseen else labels.get(name, 0) for name in ATTRIBUTES}


def _of_person(person: Person, shot: Shot) -> dict[str, int]:
    years, skin = shown_years(person, shot.years), person.skin
    share = dict(zip(("Black", "Asian", "White"), person.shape.ancestry[0], strict=True))
    clear = max(share.values()) >= CLEAR_SHARE
    changes, kinds = person.shape.changes[0], head_model().change_kinds
    return {
        "Male": _sign(person.male),
        "Young": _sign(years < 35),
        "Middle_Aged": _sign(35 <= years < 60),
        "Senior": _sign(years >= 60),
        **{name: _sign(value >= CLEAR_SHARE) if clear else 0 for name, value in share.items()},
        "Chubby": _between(float(person.shape.weight[0]), 0.55, 0.75),
        "Brown_Eyes": _sign(person.iris == "brown"),
        "Bushy_Eyebrows": _between(skin.brow_thickness_mm * skin.brow_density, 5.0, 7.0),
        "Arched_Eyebrows": _between(skin.brow_arch_mm, 2.5, 4.5),
        **{
            label: _between(float(np.mean([c for c, n in zip(changes, kinds, strict=True) if n in used])), 0.05, 0.30)
            for label, used in SHAPES.items()
        },
    }


def _of_hair(person: Person, shot: Shot) -> dict[str, int]:
    hair, beard = shot.hair, shot.beard
    bald = hair.thickness_mm == 0
    grey = _between(grey_share(person, decade(shown_years(person, shot.years))), 0.3, 0.7)
    colours = {
        f"{name.title()}_Hair": (0, -1, _sign(person.hair_name == name))[grey]  # Unclear, grey, or natural.
        for name in ("black", "blond", "brown")
    } | {"Gray_Hair": grey}
    scalp = colours | {
        "Wavy_Hair": _between(hair.curl, 0.25, 0.40),
        "Receding_Hairline": 0 if hair.bangs_mm > 0 else _between(hair.recession_mm, 3, 8),
        "Bangs": _sign(hair.bangs_mm > 0),
    }
    return {name: 0 if bald else value for name, value in scalp.items()} | {
        "Bald": _sign(bald),
        "No_Beard": _sign(beard is None),
        "Mustache": _sign(beard is not None and beard.moustache > 0),
        "Goatee": _sign(beard is not None and beard.chin > 0 and beard.cheeks == 0),
        "5_o_Clock_Shadow": 0 if beard is not None else _between(person.skin.stubble, 0.15, 0.45),
        "Obstructed_Forehead": _sign(shot.hat is not None or (not bald and hair.bangs_mm > 15)),
        "Fully_Visible_Forehead": _sign(shot.hat is None and (bald or hair.bangs_mm == 0)),
        "Rosy_Cheeks": _between(max(person.skin.flush, shot.makeup.blush if shot.makeup else 0.0), 0.35, 0.65),
    }


def _of_things(shot: Shot, dark: bool) -> dict[str, int]:
    painted = shot.makeup
    return {
        "Shiny_Skin": _between(shot.view.shine, 0.08, 0.22),
        "Mouth_Closed": _sign(shot.expression not in ("laugh", "surprise", "talk", "smile", "sneer")),
        "Smiling": _sign(shot.expression in ("smile", "laugh")),
        "Wearing_Lipstick": _between(painted.lips, 0.2, 0.45) if painted else -1,
        "Heavy_Makeup": _between((painted.lips + painted.eyes + painted.blush) / 3, 0.25, 0.45) if painted else -1,
        "Wearing_Hat": _sign(shot.hat is not None),
        "Wearing_Earrings": 0 if shot.earrings > 0 and shot.hair.length_mm is not None else _sign(shot.earrings > 0),
        "No_Eyewear": _sign(shot.glasses is None),
        "Eyeglasses": _sign(shot.glasses is not None and not dark),
    }


def describe(person: Person, shot: Shot) -> dict[str, object]:
    """Nuisance values and attributes of one photograph, one plain value each, for a table."""
    view = shot.view
    lights = {
        f"light{i}_{axis}": value
        for i, light in enumerate(view.lights, start=1)
        for axis, value in zip(("x", "y", "z", "strength"), (*light.direction, light.strength), strict=True)
    }
    return {
        "ancestry": person.ancestry,
        "years": shown_years(person, shot.years),
        "yaw_degrees": view.yaw,
        "pitch_degrees": view.pitch,
        "roll_degrees": view.roll,
        "distance_mm": view.distance_mm,
        "gaze_left_mm": shot.gaze_mm[0],
        "gaze_up_mm": shot.gaze_mm[1],
        "expression": shot.expression,
        "expression_strength": shot.strength,
        **lights,
        "ambient": view.ambient,
        "shine": view.shine,
        "exposure": shot.exposure,
        "gamma": shot.gamma,
        "white_balance": shot.white_balance[0],
        "blur_px": shot.blur_px,
        "noise": shot.noise,
        "jpeg_quality": shot.jpeg_quality,
        "masked": shot.mask is not None,
        "occluded": shot.occluder is not None,
        **attributes(person, shot),
    }


def _sign(present: bool) -> int:
    return 1 if present else -1


def _between(value: float, absent: float, present: float) -> int:
    """1 above `present`, -1 below `absent`, undefined between the two."""
    return 1 if value >= present else -1 if value <= absent else 0
