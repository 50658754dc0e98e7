"""A package made of docs/extending.md: what it adds trains, is saved and opened again, and is claimed of a set."""

import json
import os
import re
import subprocess
import sys
import tomllib
import types
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_faces import random_set

from sface_lib import registry
from sface_lib.chapters.generation import launch
from sface_lib.chapters.profiles import build_parameters
from sface_lib.data import FaceBatches, open_faces
from sface_lib.engine import make_accelerator, save_weights
from sface_lib.errors import InputError, WeightsError
from sface_lib.generators import Order, draw, generate_set, open_generator, opening, save_generator
from sface_lib.generators.sampling import draw_mixed
from sface_lib.privacy import statistics
from sface_lib.privacy.settings import EmbeddedSets
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
    users = {
        "GENERATORS": (opening, launch),
        "STRATEGIES": (strategies, recipe),
        "HEADS": (heads,),
        "BACKBONES": (models,),
        "STATISTICS": (statistics,),
    }
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


def test_a_generator_of_a_package_is_trained_saved_opened_and_draws_a_set(my_lab, tmp_path):
    faces, accelerator = random_set(tmp_path / "faces", 16, 4), make_accelerator("float32")
    changes = {"generator_kind": "mean faces", "generator_weights": "none", "generator_resolution_px": 16}
    p = build_parameters("smoke", changes)
    data = FaceBatches(faces, 16)
    trained = launch.make_trainer(p, data, accelerator, tmp_path).train(lambda step, generator: None)
    again = open_generator(save_generator(tmp_path / "generator.safetensors", trained))
    assert isinstance(again, my_lab.MeanFaces) and torch.equal(again.means, trained.means)
    first = data.images(np.flatnonzero(faces.labels == 1))[0].float().mean(0)
    assert torch.equal(draw(again, accelerator, [1], [0], 0, psi=0)[0], first.to(torch.uint8))
    drawn = open_faces(generate_set(tmp_path / "set", again, accelerator, Order(4, 3), "weights"))
    assert len(drawn) == 12 and len(drawn.identities) == 4
    with pytest.raises(InputError, match="kind 'mean faces' has no latents, so that it cannot be steered"):
        draw(again, accelerator, [1], [0], 0, move=lambda *given: given[1])
    with pytest.raises(InputError, match="has no latents, so that it cannot mix classes"):
        draw_mixed(again, accelerator, [0], 0)


def test_a_generator_of_no_known_kind_is_refused_with_the_known_ones(tmp_path):
    path = save_weights(tmp_path / "w.safetensors", torch.nn.Linear(2, 2), {"kind": "mean faces"})
    with pytest.raises(WeightsError, match="it holds 'mean faces'. Generators of these kinds are known: stylegan2"):
        open_generator(path)


@pytest.mark.nightly
def test_a_report_shows_all_that_an_installed_package_adds(tmp_path):
    """In processes of its own: the package is found by its entry points, as pip would have written them."""
    (tmp_path / "my_lab.py").write_text("\n".join(blocks("python")), encoding="utf-8")
    (project,) = (tomllib.loads(text)["project"] for text in blocks("toml"))
    told = tmp_path / "my_lab-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
    named = project["entry-points"].items()
    lines = [line for group, each in named for line in (f"[{group}]", *(f"{k} = {v}" for k, v in each.items()))]
    (told / "entry_points.txt").write_text("\n".join(lines))
    command = [sys.executable, "-m", "sface_lib.cli", "report", "--profile", "smoke", "--out", str(tmp_path / "run")]
    command += ["--set", "generator_kind=mean faces", "--set", "generator_weights=none"]
    where = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    answer = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": where})
    assert answer.returncode == 0, answer.stderr[-3000:]
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The generator (mean faces) has seen" in page
    assert "SPREAD generated" in page and "distance of means" in page
    found = json.loads((tmp_path / "run" / "results" / "03_privacy.json").read_text())["results"]
    assert "distance of means" in {claim["claim"] for claim in found["sets"][0]["claims"]}
    packages = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert "my-lab" in json.dumps(packages)


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
    sets = EmbeddedSets(near(training, 4, 1), near(training if leaks else third, 4, 2), near(control, 4, 3))
    evidence = SimpleNamespace(sets=sets, shuffles=400, seed=0, labelled=None, label_free=None, images=None)
    evidence.persons, evidence.nearer = None, {}
    (claim,) = statistics.claims_of(evidence, "judge", competent=True, margin=0.1)
    assert claim.name == "distance of means" and claim.identities == 40
    assert (claim.p_value < 0.05) == leaks
