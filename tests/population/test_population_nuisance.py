"""What a picture shows beside its identity is read from pixels, and reliably."""

import numpy as np
import pandas as pd
import pytest
import torch

from sface_lib.engine import make_accelerator
from sface_lib.errors import WeightsError
from sface_lib.population import VERIFIER_PATH, shipped_faces, shipped_truth
from sface_lib.population.nuisance import (
    NUISANCES,
    ODD,
    load_nuisance_regressor,
    nuisance_truth,
    reliability,
    train_nuisance_regressor,
)


def row(**changes):
    values = {"yaw_degrees": 10.0, "pitch_degrees": -5.0, "Smiling": 1, "Mouth_Closed": -1}
    values |= {"light1_x": 0.5, "light1_y": 1.0, "light1_strength": 0.8}
    values |= {"light2_x": -1.0, "light2_y": 0.0, "light2_strength": 0.1}
    return pd.DataFrame([values | changes])


def test_truth_is_angles_weighted_light_and_expression():
    assert nuisance_truth(row())[0] == pytest.approx([10, -5, 0.5 * 0.8 - 0.1, -0.8, 1, 1])
    hidden = nuisance_truth(row(Smiling=0, Mouth_Closed=0))[0]
    assert np.isnan(hidden[4:]).all() and not np.isnan(hidden[:4]).any()


@pytest.mark.slow
def test_predictions_explain_identities_that_the_network_never_saw():
    """Of `balanced`, which it was not taught on. Expression is small in 64 px and partly hidden: it is the hardest."""
    faces, truth = shipped_faces("balanced"), shipped_truth("balanced")
    found = reliability(
        load_nuisance_regressor(), faces.subset(np.arange(1000)), truth[:1000], make_accelerator("float32")
    )
    least = {"yaw": 0.93, "pitch": 0.75, "light_across": 0.8, "light_down": 0.65, "smile": 0.6, "mouth_open": 0.3}
    assert found.keys() == least.keys() == set(NUISANCES)
    assert all(found[name] > bound for name, bound in least.items()), found


def test_a_mirrored_face_looks_the_other_way():
    regressor, faces = load_nuisance_regressor(), shipped_faces("balanced").subset(np.arange(200))

    class Mirrored:
        def __len__(self):
            return len(faces)

        def load(self, positions, size_px):
            return faces.load(positions, size_px=size_px).flip(3)

    accelerator = make_accelerator("float32")
    plain, mirrored = (regressor.predict(given, accelerator) for given in (faces, Mirrored()))
    for i, sign in enumerate(ODD):
        assert np.corrcoef(plain[:, i], sign * mirrored[:, i])[0, 1] > 0.7


@pytest.mark.slow
def test_teaching_is_repeatable(tmp_path):
    first = train_nuisance_regressor(tmp_path / "a.safetensors", steps=3)
    again = train_nuisance_regressor(tmp_path / "b.safetensors", steps=3)
    assert first.read_bytes() == again.read_bytes()
    network = load_nuisance_regressor(first).network
    assert not torch.equal(network.head.weight, load_nuisance_regressor().network.head.weight)


def test_other_weights_are_refused():
    with pytest.raises(WeightsError, match="holds no nuisance regressor"):
        load_nuisance_regressor(VERIFIER_PATH)
