"""A package made of docs/extending.md: what it adds trains, is saved and opened again, and is claimed of a set."""

import re
import sys
import tomllib
import types
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_faces import random_set

from sface_lib import registry
from sface_lib.data import FaceBatches
from sface_lib.engine import make_accelerator
from sface_lib.privacy import statistics
from sface_lib.privacy.settings import Embedded
from sface_lib.recognition import RecognitionRecipe, RecognitionTrainer, heads, models, open_model, recipe, strategies
from sface_lib.registry import Registry

DOCUMENT = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
# Those that no line of the document's toml has.
UNNAMED = {"heads": {"softmax": "my_lab:SOFTMAX"}, "backbones": {"tiny": "my_lab:TINY"}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def my_lab(monkeypatch) -> types.ModuleType:
    """The document's package, installed; every registry looks for entries anew."""
    module = types.ModuleType("my_lab")
    exec("\n".join(blocks("python")), module.__dict__)
    monkeypatch.setitem(sys.modules, "my_lab", module)
    (project,) = (tomllib.loads(text)["project"] for text in blocks("toml"))
    named = project["entry-points"] | {f"sface_lab.{kind}": entries for kind, entries in UNNAMED.items()}
    points = [EntryPoint(name, value, group) for group, each in named.items() for name, value in each.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: [point for point in points if point.group == group])
    users = {"STRATEGIES": (strategies, recipe), "HEADS": (heads,), "BACKBONES": (models,), "STATISTICS": (statistics,)}
    for name, modules in users.items():
        known = getattr(modules[0], name)
        anew = Registry(known.noun, known.group, known.own)
        for each in modules:
            monkeypatch.setattr(each, name, anew)
    return module


@pytest.mark.parametrize(("strategy", "head"), [("SPREAD", "cosface"), ("CLS", "softmax")])
def test_what_a_package_adds_trains_and_its_weights_open(my_lab, tmp_path, strategy, head):
    faces = random_set(tmp_path / "faces", 16, 4)
    made = RecognitionRecipe("tiny", 32, 16, 3, 8, 0.1, 0.0, None, 64.0, 1.0, head=head, seed=0)
    made.check(data := FaceBatches(faces, 32), strategy, processes=1)
    model = RecognitionTrainer(data, strategy, made, make_accelerator("float32"), tmp_path / "work").train()
    again = open_model(model.save(tmp_path / "model.safetensors"))
    assert isinstance(again.network, my_lab.Tiny) and again.fingerprint == model.fingerprint
    assert again.description["architecture"] == "tiny"


def near(centres: np.ndarray, images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit embeddings float32 of persons around their centres, and labels."""
    labels = np.repeat(np.arange(len(centres)), images)
    rows = centres[labels] + 0.3 * np.random.default_rng(seed).standard_normal((len(labels), centres.shape[1]))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("leaks", [True, False])
def test_a_statistic_of_a_package_is_claimed_with_the_librarys_own(my_lab, leaks):
    """A set that leaks shows the training persons, who lie about a mean of their own; another shows third persons."""
    training, control, third = np.random.default_rng(0).standard_normal((3, 40, 16))
    if leaks:
        training += 1
    sets = Embedded(near(training, 4, 1), near(training if leaks else third, 4, 2), near(control, 4, 3))
    evidence = SimpleNamespace(sets=sets, shuffles=400, seed=0, labelled=None, label_free=None, images=None)
    evidence.persons, evidence.nearer = None, {}
    (claim,) = statistics.claims_of(evidence, "judge", competent=True, margin=0.1)
    assert claim.name == "distance of means" and claim.identities == 40
    assert (claim.p_value < 0.05) == leaks
