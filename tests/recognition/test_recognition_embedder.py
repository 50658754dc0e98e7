"""An image is embedded once for a model, and is the same whatever was embedded before."""

import math

import numpy as np
import pytest
from tiny_faces import random_set, tiny_embedder

from sface_lib.chapters.training.launch import make_recipe
from sface_lib.chapters.training.parameters import RecognitionTrainingParameters
from sface_lib.cli import main
from sface_lib.data import join
from sface_lib.engine import make_accelerator
from sface_lib.errors import TrainingError
from sface_lib.files import write_text
from sface_lib.recognition import (
    Embedder,
    InputSpec,
    RecognitionModel,
    embed_faces,
    embedder,
    untrained_model,
)
from sface_lib.recognition.embedding import CPU_BATCH
from sface_lib.run.parameters import check

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
    assert seen == [CPU_BATCH]  # One whole batch.
    whole = Embedder(accelerator, tmp_path).embed(model, faces)  # As another notebook would.
    np.testing.assert_array_equal(whole, expected)
    assert seen == [CPU_BATCH] * (1 + math.ceil(37 / CPU_BATCH))  # 37 images more.
    batches = len(seen)
    np.testing.assert_array_equal(Embedder(accelerator, tmp_path).embed(model, faces.subset([5, 4])), expected[[5, 4]])
    assert len(seen) == batches
    single = Embedder(accelerator, tmp_path).embed(model, faces, fuse=False)  # It fell off.
    assert len(seen) == batches and np.abs(single - expected).max() > 0.01
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


# Several processes


@pytest.fixture
def network():
    return untrained_model(
        make_recipe(check(RecognitionTrainingParameters, {"recognition_resolution_px": 32, "embedding_size": 16}), 0)
    )


@pytest.mark.slow
@pytest.mark.processes
def test_processes_share_the_images_and_this_one_reads_what_they_wrote(tmp_path, faces, network, seen):
    """Of two sets as one, each image once; what a share holds does not change an embedding."""
    accelerator, other = make_accelerator("float32"), random_set(tmp_path / "other.zip", 20)
    both = join({"a": faces, "b": other}).subset(np.r_[0:30, 40:60])
    rows = Embedder(accelerator, tmp_path / "kept", processes=2, least_shared=8).embed(network, both)
    assert seen == []
    np.testing.assert_allclose(rows, embed_faces(network, both, accelerator), atol=1e-5)
    del seen[:]
    Embedder(accelerator, tmp_path / "kept").embed(network, both.subset([4, 31]))
    assert seen == []
    assert len(list((tmp_path / "kept").glob("*/*.safetensors"))) == 2 + 1  # Of each process one, and the model.


def test_few_images_start_no_process(tmp_path, faces, network, monkeypatch):
    monkeypatch.setattr(embedder, "launch", None)
    assert len(Embedder(make_accelerator("float32"), tmp_path, processes=8).embed(network, faces)) == 40


@pytest.mark.slow
@pytest.mark.processes
def test_what_a_launched_process_refuses_is_told(tmp_path, faces, network, monkeypatch):
    monkeypatch.setattr(embedder, "write_selection", lambda path, part: write_text(path, "wrong\n1\n"))
    with pytest.raises(TrainingError, match="column"):
        Embedder(make_accelerator("float32"), tmp_path, processes=2, least_shared=8).embed(network, faces)


def test_a_stopped_run_loses_no_more_than_was_embedded_together(tmp_path, faces, network, monkeypatch, seen):
    written = []

    def write(folder, digests, made, real=embedder._write):
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(len(digests))
        real(folder, digests, made)

    accelerator = make_accelerator("float32")
    kept = tmp_path / Embedder(accelerator, tmp_path)._name(network)
    monkeypatch.setattr(embedder, "_write", write)
    with pytest.raises(KeyboardInterrupt):
        embedder.keep_embeddings(network, faces, accelerator, kept, kept_together=16)
    monkeypatch.undo()
    del seen[:]
    rows = Embedder(accelerator, tmp_path).embed(network, faces)
    np.testing.assert_array_equal(rows, embed_faces(network, faces, accelerator))
    assert written == [16]


def test_the_command_writes_what_a_report_reads(tmp_path, faces, network, capsys, monkeypatch):
    file, accelerator = network.save(tmp_path / "model.safetensors"), make_accelerator("float32")
    folder = tmp_path / Embedder(accelerator, tmp_path)._name(network)
    command = [
        "embed",
        "--model",
        str(file),
        "--faces",
        str(faces.path),
        "--out",
        str(folder),
        "--precision",
        "float32",
    ]
    assert main(command) == 0 and f"Embeddings: {folder}, 40 images" in capsys.readouterr().out
    monkeypatch.setattr(embedder, "keep_embeddings", None)
    np.testing.assert_array_equal(
        Embedder(accelerator, tmp_path).embed(network, faces), embed_faces(network, faces, accelerator)
    )
