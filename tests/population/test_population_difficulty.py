"""How hard the population is for a recognition model that has only ever seen photographs."""

import numpy as np
import pandas as pd
import pytest

from sface_lib.biometrics import verification_metrics
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.population.sets import render_set
from sface_lib.privacy import compare_within
from sface_lib.recognition import embed_faces, open_model


@pytest.fixture(scope="module")
def found(real_data, tmp_path_factory):
    """Faces that a frontal detector finds, as LFW's: their embeddings, mean colours, identities and groups."""
    folder = render_set(tmp_path_factory.mktemp("population") / "set", "control", 54, 8, 64, workers=2)
    table = pd.read_parquet(folder / "labels.parquet")
    faces = open_faces(folder)
    kept = np.flatnonzero(table["yaw_degrees"].abs() < 45)
    model = open_model(real_data / "mobilefacenet_casia.safetensors")
    embedded = embed_faces(model, faces, make_accelerator("float32"))[kept]
    group = (table["ancestry"] + table["Male"].astype(str)).to_numpy()[kept]
    return embedded, faces.load().float().mean((2, 3)).numpy()[kept], faces.labels[kept], group


def test_a_model_of_photographs_works_for_its_accuracy(found):
    embedded, _, labels, _ = found
    metrics = compare_within(embedded, labels).metrics()
    assert 0.02 <= metrics.eer <= 0.08 and metrics.impostor_mean <= 0.20


def test_people_of_one_group_are_told_apart_as_well(found):
    embedded, _, labels, group = found
    similar = embedded @ embedded.T
    other = labels[:, None] != labels
    within = similar[other & (group[:, None] == group)].mean()
    assert similar[other].mean() < within < 0.27


def test_mean_colour_gives_nobody_away(found):
    _, colours, labels, _ = found
    upper = np.triu_indices(len(labels), 1)
    nearness = -np.linalg.norm(colours[:, None] - colours, axis=2)[upper]
    same = (labels[:, None] == labels)[upper]
    assert verification_metrics(nearness[same], nearness[~same]).auc <= 0.65
