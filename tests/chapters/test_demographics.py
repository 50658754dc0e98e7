"""Groups of the training identities: as they are given, or as the attribute classifier calls them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sface_lib.attributes import open_classifier
from sface_lib.chapters.privacy import demographics as module
from sface_lib.chapters.privacy.demographics import Demographics, called, demographics
from sface_lib.engine import make_accelerator
from sface_lib.population import first_images, shipped_faces, shipped_truth
from sface_lib.recognition import Embedder


def test_groups_are_all_traits_together_and_missing_where_one_is():
    traits = pd.DataFrame({"gender": ["men", "women", None], "ancestry": ["x", "y", "z"]}, index=[4, 7, 9])
    assert Demographics(traits).groups(np.array([7, 4])).tolist() == ["women, y", "men, x"]
    groups = Demographics(traits).groups(np.array([9, 4, 5]))
    assert groups.index.tolist() == [0, 1, 2] and groups.isna().tolist() == [True, False, True]


def told(names, reliable, label, probability, monkeypatch, labels=(0, 0, 1, 1)):
    """What is called of four images of two persons by a classifier that says this of them."""
    values = [pd.DataFrame(given, columns=names).to_numpy() for given in (label, probability)]
    found = SimpleNamespace(names=tuple(names), label=values[0], probability=values[1])
    monkeypatch.setattr(module, "annotate_faces", lambda *given, **options: found)
    faces = SimpleNamespace(labels=np.array(labels), require_labels=lambda: np.array(labels), subset=lambda rows: None)
    return called(SimpleNamespace(names=names, reliable=lambda: np.array(reliable)), faces, None)


def test_an_identity_is_called_by_most_of_its_images(monkeypatch):
    """The first is called a man in both images, and Asian in one of two; the second White, by the larger mean."""
    names = ["Male", "Asian", "White"]
    label = [[1, 1, -1], [1, -1, -1], [-1, 1, 1], [-1, 1, 1]]
    probability = [[0.9, 0.6, 0.2], [0.8, 0.3, 0.3], [0.2, 0.6, 0.9], [0.4, 0.6, 0.7]]
    found = told(names, [True, True, True], label, probability, monkeypatch)
    assert found.called and found.traits["gender"].tolist() == ["men", "women"]
    assert found.traits["ancestry"].tolist() == ["Asian", "White"]
    nobody = told(names, [True, True, True], -np.ones((4, 3)), probability, monkeypatch)
    assert nobody.traits["ancestry"].tolist() == ["another", "another"]


def test_what_is_not_told_reliably_groups_nobody(monkeypatch):
    one = told(["Male", "Asian"], [True, False], np.ones((4, 2)), np.ones((4, 2)), monkeypatch)
    assert one.traits.columns.tolist() == ["gender"]
    assert told(["Male", "Bald"], [False, True], np.ones((4, 2)), np.ones((4, 2)), monkeypatch) is None


def test_what_is_given_goes_before_what_is_called():
    traits = pd.DataFrame({"group": ["a", "b"]})
    given = SimpleNamespace(traits=traits, attribute_classifier=lambda shipped: pytest.fail("not asked"))
    found = demographics(given, None)
    assert found.traits is traits and not found.called
    neither = SimpleNamespace(traits=None, attribute_classifier=lambda shipped: None)
    assert demographics(neither, None) is None


def test_the_shipped_classifier_calls_most_rendered_persons_rightly():
    faces, truth = shipped_faces("control"), shipped_truth("control")
    chosen = first_images(faces, 40, 3)
    found = called(open_classifier(), faces.subset(chosen), Embedder(make_accelerator("float32")))
    known = truth.iloc[chosen].groupby(faces.labels[chosen]).first()
    assert np.mean((found.traits["gender"] == "men") == (known["Male"] == 1)) >= 0.9
    by_name = known["ancestry"].map({"african": "Black", "asian": "Asian", "caucasian": "White"})
    assert np.mean(found.traits["ancestry"] == by_name) >= 0.8
