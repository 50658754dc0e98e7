"""An image is embedded once for a model, and is the same whatever was embedded before."""

import numpy as np
import pytest
from tiny_faces import random_set, tiny_embedder

from sface_lib.engine import make_accelerator
from sface_lib.recognition import Embedder, InputSpec, RecognitionModel, embed_faces

MIRRORED = InputSpec(16, mirror="sum")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return random_set(tmp_path_factory.mktemp("faces") / "set.zip", 40)


@pytest.fixture
def seen(monkeypatch):
    """How many images went through a network, filling included."""
    counts, prepare = [], RecognitionModel.prepare

    def counted(self, images):
        counts.append(len(images))
        return prepare(self, images)

    monkeypatch.setattr(RecognitionModel, "prepare", counted)
    return counts


def test_what_is_kept_is_not_embedded_again(tmp_path, faces, seen):
    model, accelerator = tiny_embedder(spec=MIRRORED), make_accelerator("float32")
    expected = embed_faces(model, faces, accelerator)
    del seen[:]
    some = faces.subset([3, 30, 7])
    np.testing.assert_array_equal(Embedder(accelerator, tmp_path).embed(model, some), expected[[3, 30, 7]])
    assert seen == [16]  # One whole batch.
    whole = Embedder(accelerator, tmp_path).embed(model, faces)  # As another notebook would.
    np.testing.assert_array_equal(whole, expected)
    assert seen == [16] + 3 * [16]  # 37 images more.
    np.testing.assert_array_equal(Embedder(accelerator, tmp_path).embed(model, faces.subset([5, 4])), expected[[5, 4]])
    assert len(seen) == 4
    single = Embedder(accelerator, tmp_path).embed(model, faces, fuse=False)  # It fell off.
    assert len(seen) == 4 and np.abs(single - expected).max() > 0.01
    np.testing.assert_array_equal(single, embed_faces(model, faces, accelerator, fuse=False))


def test_of_the_image_alone_half_the_work_is_done(tmp_path, faces, seen):
    """And nothing is kept of the mirror image, so that fused ones are made when they are asked for."""
    model, accelerator = tiny_embedder(spec=MIRRORED), make_accelerator("float32")
    Embedder(accelerator, tmp_path).embed(model, faces.subset([0, 1]), fuse=False)
    fused = Embedder(accelerator, tmp_path).embed(model, faces.subset([0, 1]))
    assert len(seen) == 2
    np.testing.assert_allclose(fused, embed_faces(model, faces.subset([0, 1]), accelerator), atol=1e-6)


def test_models_and_images_are_known_by_their_contents(tmp_path, faces, seen):
    accelerator, some = make_accelerator("float32"), faces.subset([0, 1, 2])
    first, second = tiny_embedder(seed=0), tiny_embedder(seed=1)
    rows = [Embedder(accelerator, tmp_path).embed(model, some) for model in (first, second)]
    assert len(seen) == 2 and np.abs(rows[0] - rows[1]).max() > 0.01
    renamed = random_set(tmp_path / "again.zip", 40).subset([2, 0])  # Equal images in another file.
    np.testing.assert_array_equal(Embedder(accelerator, tmp_path).embed(first, renamed), rows[0][[2, 0]])
    assert len(seen) == 2


def test_without_a_folder_nothing_is_kept(faces, seen):
    embedder, model = Embedder(make_accelerator("float32")), tiny_embedder()
    first, again = (embedder.embed(model, faces.subset([0, 1])) for _ in range(2))
    assert seen == [2, 2]
    np.testing.assert_array_equal(first, again)
