"""Packages add entries by entry points; the library's own cannot be replaced."""

import os
import subprocess
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


def test_a_default_stands_for_an_unknown_name(installed):
    installed(ant="added_things:other")
    assert things().get("ant") == 4 and things().get("three") is None and things().get("three", 0) == 0


def test_an_entry_that_has_a_name_goes_by_it(installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "added_things", types.SimpleNamespace(new=types.SimpleNamespace(name="bee")))
    installed(ant="added_things:new")
    with pytest.raises(InputError, match="the thing 'bee' of the module 'added_things' goes by the entry point 'ant'"):
        things()["one"]


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


TOY = """
from torch import nn

from sface_lib.recognition import Strategy


class Pull(nn.Module):
    def forward(self, embeddings, labels, taught):
        return embeddings.float().square().mean()


STRATEGY = Strategy("nothing", needs_labels=False, needs_teacher=False, objective=lambda recipe, classes, size: Pull())
"""


def install(folder, source: str = TOY) -> dict[str, str]:
    """A package `toy-lab` as pip leaves it, and the environment of processes that have it."""
    about = folder / "toy_lab-1.5.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (folder / "toy_lab.py").write_text(source)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-lab\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text("[sface_lab.strategies]\nPULL = toy_lab:STRATEGY\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def run(command: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-c", command], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.slow
def test_another_process_finds_what_a_package_adds(tmp_path):
    told = "from sface_lib.recognition import STRATEGIES; print(list(STRATEGIES), STRATEGIES['PULL'].learns_from)"
    assert run(told, install(tmp_path)) == "['CLS', 'KT', 'CL', 'PULL'] nothing"


@pytest.mark.slow
def test_stages_are_computed_anew_when_an_added_package_changes(tmp_path):
    """Its code is part of what a stage executes; of the library's modules none is changed."""
    told = "from sface_lib.run.code import code_hash; print(code_hash(['sface_lib.errors']))"
    without = run(told, dict(os.environ))
    hashes = [run(told, install(tmp_path, source)) for source in (TOY, TOY, TOY + "# changed")]
    assert hashes[0] == hashes[1] != hashes[2] and without not in hashes
    versions = "from sface_lib.registry import added_packages; print(added_packages()['toy-lab']['version'])"
    assert run(versions, install(tmp_path)) == "1.5"


def test_a_name_is_checked_without_an_import(installed):
    installed(ant="no_such_module_anywhere:x")
    check, field = one_of(GROUP, ("one",), "file:"), types.SimpleNamespace(field_name="thing")
    assert [check(name, field) for name in ("ant", "one", "file:a")] == ["ant", "one", "file:a"]
    for wrong in ("three", "file:"):
        with pytest.raises(
            ValueError, match=f"parameter thing = '{wrong}' is not allowed: choose one of one, ant, file:NAME"
        ):
            check(wrong, field)


def test_the_names_that_parameters_know_are_the_registries():
    assert tuple(HEADS.own) == parameters.HEADS
    assert (*parameters.BACKBONES, "torchvision") == tuple(BACKBONES.own)
