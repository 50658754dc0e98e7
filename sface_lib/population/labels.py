"""Ground truth of a photograph: identity, nuisance, and the MAAD-Face attributes that the construction decides."""

from sface_lib.population.law import Person, Shot

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


def attributes(person: Person, shot: Shot) -> dict[str, int]:
    """Every attribute of `ATTRIBUTES`: 1 present, -1 absent, 0 undefined."""
    years = person.years + shot.years
    hair, beard, glasses, skin = shot.hair, shot.beard, shot.glasses, person.skin
    bald = hair.thickness_mm == 0
    dark = glasses is not None and glasses.dark > 0
    share = dict(zip(("Black", "Asian", "White"), person.shape.ancestry[0], strict=True))
    clear = max(share.values()) >= CLEAR_SHARE
    found = {
        "Male": _sign(person.male),
        "Young": _sign(years < 35),
        "Middle_Aged": _sign(35 <= years < 60),
        "Senior": _sign(years >= 60),
        **{name: _sign(value >= CLEAR_SHARE) if clear else 0 for name, value in share.items()},
        "Shiny_Skin": _between(shot.view.shine, 0.08, 0.22),
        "Bald": _sign(bald),
        "Wavy_Hair": 0 if bald else _between(hair.curl, 0.25, 0.40),
        "Receding_Hairline": 0 if bald or hair.bangs_mm > 0 else _between(hair.recession_mm, 3, 8),
        "Bangs": 0 if bald else _sign(hair.bangs_mm > 0),
        **{
            f"{name}_Hair": 0 if bald else _sign(person.hair_name == name.lower())
            for name in ("Black", "Blond", "Brown", "Gray")
        },
        "No_Beard": _sign(beard is None),
        "Mustache": _sign(beard is not None and beard.moustache > 0),
        "5_o_Clock_Shadow": 0 if beard is not None else _between(skin.stubble, 0.15, 0.45),
        "Goatee": _sign(beard is not None and beard.chin > 0 and beard.cheeks == 0),
        "Chubby": _between(float(person.shape.weight[0]), 0.55, 0.70),
        "Obstructed_Forehead": _sign(not bald and hair.bangs_mm > 15),
        "Fully_Visible_Forehead": _sign(bald or hair.bangs_mm == 0),
        "Brown_Eyes": 0 if dark else _sign(person.iris == "brown"),
        "Bushy_Eyebrows": 0 if dark else _between(skin.brow_thickness_mm * skin.brow_density, 5.0, 7.0),
        "Arched_Eyebrows": 0 if dark else _between(skin.brow_arch_mm, 2.5, 4.5),
        "Mouth_Closed": _sign(shot.expression not in ("laugh", "surprise", "talk", "smile", "sneer")),
        "Smiling": _sign(shot.expression in ("smile", "laugh")),
        "No_Eyewear": _sign(glasses is None),
        "Eyeglasses": _sign(glasses is not None and not dark),
    }
    return {name: found.get(name, 0) for name in ATTRIBUTES}


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
        "years": person.years + shot.years,
        "yaw_degrees": view.yaw,
        "pitch_degrees": view.pitch,
        "roll_degrees": view.roll,
        "distance_mm": view.distance_mm,
        "expression": shot.expression,
        "expression_strength": shot.strength,
        **lights,
        "ambient": view.ambient,
        "exposure": shot.exposure,
        "gamma": shot.gamma,
        "blur_px": shot.blur_px,
        "noise": shot.noise,
        "jpeg_quality": shot.jpeg_quality,
        "occluded": shot.occluder is not None,
        **attributes(person, shot),
    }


def _sign(present: bool) -> int:
    return 1 if present else -1


def _between(value: float, absent: float, present: float) -> int:
    """1 above `present`, -1 below `absent`, undefined between the two."""
    return 1 if value >= present else -1 if value <= absent else 0
