"""How hard the shipped benchmark is for a recognition model that has only ever seen photographs."""

import numpy as np
import pytest

from sface_lib.biometrics import verification_metrics
from sface_lib.engine import make_accelerator
from sface_lib.population import VERIFIER_PATH, shipped_faces, shipped_protocol, shipped_truth
from sface_lib.population.verifier import judge
from sface_lib.recognition import embed_faces, open_model, resolve_pairs


@pytest.fixture(scope="module")
def embedded(real_data):
    model = open_model(real_data / "mobilefacenet_casia.safetensors")
    return embed_faces(model, shipped_faces("benchmark"), make_accelerator())


def metrics(embedded, benchmark):
    pairs = resolve_pairs(shipped_protocol(benchmark), shipped_faces("benchmark"))
    scores = pairs.scores(embedded)
    return verification_metrics(scores[pairs.same], scores[~pairs.same])


@pytest.mark.nightly
def test_a_model_of_photographs_works_for_its_accuracy(embedded):
    unconstrained, profile = (metrics(embedded, name) for name in ("unconstrained", "frontal-profile"))
    assert 0.02 <= unconstrained.eer <= 0.08 and unconstrained.impostor_mean <= 0.20
    assert 0.08 <= profile.eer <= 0.20


@pytest.mark.nightly
def test_the_shipped_verifier_is_no_worse_than_that_model(embedded):
    assert judge(open_model(VERIFIER_PATH)).eer <= metrics(embedded, "unconstrained").eer


@pytest.mark.nightly
def test_people_of_one_group_are_told_apart_as_well(embedded):
    truth, labels = shipped_truth("benchmark"), shipped_faces("benchmark").labels
    found = np.flatnonzero(truth["yaw_degrees"].abs() < 45)
    group = (truth["ancestry"] + truth["Male"].astype(str)).to_numpy()[found]
    similar, other = embedded[found] @ embedded[found].T, labels[found][:, None] != labels[found]
    within = similar[other & (group[:, None] == group)].mean()
    assert similar[other].mean() < within < 0.27


def test_mean_colour_gives_nobody_away():
    faces = shipped_faces("benchmark")
    pairs = resolve_pairs(shipped_protocol("unconstrained"), faces)
    colours = faces.load().float().mean((2, 3)).numpy()
    nearness = -np.linalg.norm(colours[pairs.left] - colours[pairs.right], axis=1)
    assert verification_metrics(nearness[pairs.same], nearness[~pairs.same]).auc <= 0.65
