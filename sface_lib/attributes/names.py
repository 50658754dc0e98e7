"""The 47 attributes of MAAD-Face (Terhörst et al., 2021), their kinds, and which of them exclude one another."""

import difflib
from collections.abc import Sequence

from sface_lib.errors import InputError
from sface_lib.population.rendering.labels import ATTRIBUTES

__all__ = ["ATTRIBUTES", "EXCLUSIVE", "KINDS", "check_names", "exclusive_groups", "kind_of"]

# Ranges of `ATTRIBUTES`, in MAAD-Face's own order.
_FIRST = {
    "demographics": "Male",
    "skin": "Rosy_Cheeks",
    "hair": "Bald",
    "beard": "No_Beard",
    "face geometry": "Oval_Face",
    "periocular": "Brown_Eyes",
    "mouth": "Mouth_Closed",
    "nose": "Big_Nose",
    "accessories": "Heavy_Makeup",
    "other": "Attractive",
}
_STARTS = [*(ATTRIBUTES.index(name) for name in _FIRST.values()), len(ATTRIBUTES)]
KINDS = {kind: ATTRIBUTES[a:b] for kind, a, b in zip(_FIRST, _STARTS, _STARTS[1:], strict=False)}
# At most one of each is present; none of them may be (a mixed ancestry, dyed hair).
EXCLUSIVE = {
    "age": ("Young", "Middle_Aged", "Senior"),
    "ancestry": ("Asian", "White", "Black"),
    "hair colour": ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"),
}


def kind_of(attribute: str) -> str:
    """The kind of an attribute, e.g. "hair".

    Examples
    --------
    >>> kind_of('Smiling')
    'mouth'
    """
    return next(kind for kind, members in KINDS.items() if attribute in members)


def exclusive_groups(names: Sequence[str]) -> list[tuple[int, ...]]:
    """Positions in `names` of each group whose members exclude one another, where at least two are among them.

    Examples
    --------
    >>> exclusive_groups(['Young', 'Middle_Aged', 'Senior', 'Smiling'])
    [(0, 1, 2)]
    """
    groups = (tuple(names.index(name) for name in group if name in names) for group in EXCLUSIVE.values())
    return [group for group in groups if len(group) > 1]


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse names that are no attribute, each with the nearest ones; raises `InputError`."""
    unknown = [name for name in names if name not in ATTRIBUTES]
    if unknown:
        said = []
        for name in unknown[:5]:
            near = difflib.get_close_matches(name, ATTRIBUTES, n=2, cutoff=0.6)
            said.append(f"{name!r}" + (f" (did you mean {' or '.join(near)}?)" if near else ""))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            f"{where} names {', '.join(said)}{more}, not among MAAD-Face's 47 attributes; rename or remove the columns"
        )
