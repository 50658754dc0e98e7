"""Packages add entries by entry points; the library's own cannot be replaced."""

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from sface_lib import registry
from sface_lib.chapters.training import parameters
from sface_lib.errors import InputError
from sface_lib.recognition import BACKBONES, HEADS
from sface_lib.registry import Registry, extensions, one_of

GROUP = "sface_lab.things"


@pytest.fixture
def installed(monkeypatch):
    """Makes entry points of `name=value` be found, as if packages had them."""
    monkeypatch.setitem(sys.modules, "added_things", types.SimpleNamespace(new=3, other=4))

    def install(**values):
        points = [EntryPoint(name, value, GROUP) for name, value in values.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: points if group == GROUP else [])

    return install


def things() -> Registry[int]:
    return Registry("thing", GROUP, {"one": 1, "two": 2})


def test_own_entries_come_first_then_added_ones_by_name(installed):
    installed(zebra="added_things:new", ant="added_things:other")
    assert dict(things()) == {"one": 1, "two": 2, "ant": 4, "zebra": 3}
    assert list(things()) == ["one", "two", "ant", "zebra"] and "ant" in things() and len(things()) == 4


def test_an_unknown_name_is_refused_with_the_known_ones(installed):
    installed(ant="added_things:other")
    with pytest.raises(InputError, match="thing 'three' does not exist; choose one of one, two, ant"):
        things()["three"]


def test_no_package_replaces_an_entry_of_the_library(installed):
    installed(one="added_things:new")
    with pytest.raises(InputError, match="the module 'added_things' adds the thing 'one', which exists; rename it"):
        things()["two"]


def test_two_packages_cannot_add_one_name(monkeypatch):
    points = [EntryPoint("ant", f"{module}:x", GROUP) for module in ("a", "b")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(InputError, match="the module 'a' and the module 'b' add 'ant' to sface_lab.things"):
        extensions(GROUP)


def test_a_package_that_cannot_be_imported_is_named(installed):
    installed(ant="no_such_module_anywhere:x")
    with pytest.raises(InputError, match=r"the thing 'ant' of the module .* cannot be imported \(ModuleNotFoundError"):
        things()["ant"]


def test_a_name_is_checked_without_an_import(installed):
    installed(ant="no_such_module_anywhere:x")
    check = one_of(GROUP, ("one",), "file:")
    assert check("ant") == "ant" and check("one") == "one" and check("file:a") == "file:a"
    for wrong in ("three", "file:"):
        with pytest.raises(ValueError, match="choose one of one, ant, file:NAME"):
            check(wrong)


def test_the_names_that_parameters_know_are_the_registries():
    assert tuple(HEADS.own) == parameters.HEADS
    assert (*parameters.BACKBONES, "torchvision") == tuple(BACKBONES.own)
