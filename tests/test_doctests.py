"""The examples in docstrings are what the functions give."""

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = ("biometrics", "privacy", "attributes", "data")


@pytest.mark.parametrize("package", PACKAGES)
def test_examples_of_docstrings_hold(package):
    found = importlib.import_module(f"sface_lib.{package}")
    modules = [
        importlib.import_module(f"{found.__name__}.{each.name}") for each in pkgutil.iter_modules(found.__path__)
    ]
    results = [doctest.testmod(module) for module in modules]
    assert sum(each.failed for each in results) == 0
    assert sum(each.attempted for each in results) >= 3
