"""The 47 names, their kinds, and what excludes what."""

import pytest

from sface_lib.attributes import ATTRIBUTES, EXCLUSIVE, KINDS, kind_of
from sface_lib.attributes.names import check_names, exclusive_groups
from sface_lib.errors import InputError


def test_every_attribute_is_of_one_kind():
    assert len(ATTRIBUTES) == len(set(ATTRIBUTES)) == 47
    assert [name for members in KINDS.values() for name in members] == list(ATTRIBUTES)
    assert all(kind_of(name) == kind for kind, members in KINDS.items() for name in members)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Black", "demographics"),
        ("Shiny_Skin", "skin"),
        ("Gray_Hair", "hair"),
        ("5_o_Clock_Shadow", "beard"),
        ("Fully_Visible_Forehead", "face geometry"),
        ("Arched_Eyebrows", "periocular"),
        ("Big_Lips", "mouth"),
        ("Pointy_Nose", "nose"),
        ("Eyeglasses", "accessories"),
        ("Attractive", "other"),
    ],
)
def test_kinds_are_those_of_the_paper(name, kind):
    assert kind_of(name) == kind


def test_groups_that_exclude_each_other_are_found_by_position():
    """A group of which one member alone is there excludes nothing."""
    names = ("Senior", "Male", "Blond_Hair", "Young", "White", "Black_Hair")
    assert exclusive_groups(names) == [(3, 0), (5, 2)]
    members = [name for group in EXCLUSIVE.values() for name in group]
    assert len(members) == len(set(members)) and set(members) <= set(ATTRIBUTES)


def test_unknown_names_are_listed_with_what_they_may_mean():
    with pytest.raises(InputError, match=r"'here' names 'Smilling' \(did you mean Smiling\?\), 'Qqq', not among"):
        check_names(["Male", "Smilling", "Qqq"], "'here'")
    with pytest.raises(InputError, match=r"'x4' and 2 more, not among MAAD-Face's 47 attributes; rename or remove"):
        check_names([f"x{i}" for i in range(7)], "'here'")
    check_names(ATTRIBUTES, "'here'")  # Known names are not refused.
