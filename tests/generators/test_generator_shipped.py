"""The generator that ships is the one that its figures describe."""

import numpy as np
import pytest

from sface_lib.biometrics import verification_metrics
from sface_lib.cli import main
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.files import read_json, sha256_of_file
from sface_lib.generators import SHIPPED_PATH, draw, shipped_log
from sface_lib.generators.quality import class_consistency
from sface_lib.generators.stylegan2 import load_generator, load_pair
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import embed_batches, open_model

FACTS = read_json(SHIPPED_PATH.with_suffix(".json"))


def test_weights_log_and_figures_belong_together():
    pair = load_pair(SHIPPED_PATH)
    assert FACTS["weights_sha256"] == sha256_of_file(SHIPPED_PATH)
    assert shipped_log()[-1]["kimg"] == pytest.approx(pair.kimg, abs=0.05)
    assert (pair.generator.spec.n_classes, pair.generator.spec.resolution_px) == (200, 64)
    assert SHIPPED_PATH.stat().st_size <= 9 * 2**20


@pytest.mark.slow
def test_the_shipped_generator_has_the_consistency_that_is_stated():
    """A part of the stated protocol: ten images of every tenth class."""
    generator, accelerator, model = load_generator(SHIPPED_PATH), make_accelerator("float32"), open_model(VERIFIER_PATH)
    labels = np.repeat(np.arange(0, 200, 10), 10)
    images = draw(generator, accelerator, labels, np.tile(np.arange(10), 20), seed=0)
    embedded = embed_batches(model, images.split(50), accelerator)
    stated = FACTS["numbers"]["shipped verifier"]
    assert class_consistency(embedded, labels).mean() == pytest.approx(stated["genuine score"]["synthetic"], abs=0.06)
    same = labels[:, None] == labels
    scores, pairs = embedded @ embedded.T, np.triu(np.ones_like(same), 1)
    found = verification_metrics(scores[pairs & same], scores[pairs & ~same])
    # Twenty of two hundred classes: the EER of such a part varies by a few hundredths.
    assert found.eer == pytest.approx(stated["EER within the set"]["synthetic"], abs=0.06)


def test_a_set_is_drawn_from_the_shipped_weights_where_none_are_given(tmp_path):
    assert main(["generate", "--classes", "2", "--per-class", "1", "--out", str(tmp_path / "set")]) == 0
    assert open_faces(tmp_path / "set").labels.tolist() == [0, 1]


def test_what_is_asked_of_the_generator_is_stated_by_both_models():
    for numbers in FACTS["numbers"].values():
        assert {"EER within the set", "mean diversity", "membership AUC", "collapsed classes"} <= numbers.keys()
        assert numbers["collapsed classes"]["synthetic"] == 0
        assert numbers["membership AUC"]["synthetic"] <= 0.60
