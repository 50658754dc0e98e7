"""Vectors that were given judge sets by the names of their images, and do nothing else."""

import unicodedata

import numpy as np
import pytest
import torch
from tiny_faces import random_set

from sface_lib.attributes import train_classifier
from sface_lib.cli import main
from sface_lib.data import FaceBatches, Protocol, encode_png, open_faces, write_bin, write_faces, write_protocol
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.privacy.judges import open_judge
from sface_lib.recognition import Embedder, InputSpec, embed_batches, embed_faces, open_model, teach

NAMES = ["ann/0.png", "ann/1.png", "bo/0.png", "bo/2.png"]


def vectors(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def given(tmp_path):
    """Open vectors of these names; more arrays may be beside them."""

    def write(names, rows=None, **others):
        rows = vectors(len(names)) if rows is None else rows
        np.savez(tmp_path / "judge.npz", files=np.array(names), vectors=rows, **others)
        return open_model(tmp_path / "judge.npz")

    return write


@pytest.fixture
def faces(tmp_path):
    """A folder of different images with these names."""

    def make(*names, folder="set", seed=0):
        for i, name in enumerate(names, start=seed):
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_png(np.full((3, 8, 8), i, np.uint8)))
        return open_faces(tmp_path / folder)

    return make


def test_a_set_is_embedded_by_name_in_its_own_order_and_nothing_is_kept(tmp_path, given, faces):
    order = [2, 0, 3, 1]
    model = given([NAMES[i] for i in order], left=np.arange(3), same=np.ones(3, bool))
    people, accelerator, expected = faces(*NAMES), make_accelerator(), vectors(4)[np.argsort(order)]
    embedders = [Embedder(accelerator), Embedder(accelerator, tmp_path / "kept")]
    found = [embedder.embed(model, people) for embedder in embedders]
    found += [embed_faces(model, people, accelerator), embedders[0].embed(model, people, fuse=False)]
    for rows in found:
        np.testing.assert_allclose(rows, expected, atol=1e-6)
        assert rows.dtype == np.float32
    assert not (tmp_path / "kept").exists()
    np.testing.assert_allclose(embedders[0].embed(model, people.subset([3, 1])), expected[[3, 1]], atol=1e-6)


def test_it_says_that_vectors_were_given(given, tmp_path):
    model = given(NAMES)
    assert model.embedding_size == 6 and model.description["trained_on"] == "not stated"
    assert model.spec.source == model.description["input"] == "vectors were given" and model.spec.size_px is None
    assert len(model.fingerprint) == 64 and model.fingerprint != given(NAMES, vectors(4, 1)).fingerprint
    with pytest.raises(InputError, match="holds vectors, for which no input can be specified"):
        open_model(tmp_path / "judge.npz", InputSpec(112))


@pytest.mark.parametrize(("stored", "named"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_compared_in_one_normal_form(given, faces, stored, named):
    files = faces(unicodedata.normalize(stored, "Zoë/é.png"), "bo/0.png")
    model = given([unicodedata.normalize(named, "Zoë/é.png"), "bo\\0.png"])
    rows = dict(zip([unicodedata.normalize("NFC", name) for name in files.names], model.of(files), strict=True))
    np.testing.assert_allclose([rows["Zoë/é.png"], rows["bo/0.png"]], vectors(2), atol=1e-6)


def test_the_last_name_is_enough_where_one_image_has_it(given, faces):
    people = faces("ann/0.png", "bo/1.png")
    for names in (["0.png", "1.png"], ["a/b/ann/0.png", "elsewhere/1.png"]):
        np.testing.assert_allclose(given(names).of(people), vectors(2), atol=1e-6)


@pytest.mark.parametrize(
    "names",
    [
        ["ann/1.png", "x/0.png", "y/0.png"],  # Two vectors that may be meant.
        ["ann/1.png", "0.png"],  # One vector for two images.
        ["ann/1.png", "ann/0.png", "x/1.png"],  # One vector that is another image's for certain.
    ],
)
def test_a_last_name_of_several_images_is_refused(given, faces, names):
    said = r"leaves open which vector belongs to [12] of 3 images of '.*set', the first being '(ann|bo)/0\.png'"
    with pytest.raises(InputError, match=said):
        given(names).of(faces("ann/0.png", "ann/1.png", "bo/0.png"))


def test_images_without_a_vector_are_counted_and_the_set_is_named(given, faces):
    with pytest.raises(InputError, match=r"judge\.npz' lacks 2 of 4 images of '.*set', the first being 'ann/1\.png'"):
        given(["ann/0.png", "bo/0.png"]).of(faces(*NAMES))


def test_one_vector_for_images_of_two_sets_is_refused_unless_they_are_one_image(tmp_path, given, faces):
    first, model = faces("a/0.png", "a/1.png"), given(["a/0.png", "a/1.png"])
    model.of(first)
    copies = open_faces(write_faces(tmp_path / "copies.zip", first.load(), [0, 0], names=["a/0.png", "a/1.png"]))
    np.testing.assert_array_equal(model.of(copies), model.of(first))
    other = faces("a/0.png", "a/1.png", folder="other", seed=5)
    with pytest.raises(InputError, match=r"one vector for 'a/0\.png' of '.*other' .*; name images .* 'other/a/0\.png'"):
        model.of(other)
    apart = given([f"{name}/a/{i}.png" for name in ("set", "other") for i in range(2)])
    np.testing.assert_allclose(apart.of(first), vectors(4)[:2], atol=1e-6)
    np.testing.assert_allclose(apart.of(other), vectors(4)[2:], atol=1e-6)


def test_rounded_vectors_are_brought_to_unit_length_and_others_refused(given):
    rows = vectors(4).astype(np.float16)
    assert np.abs(np.linalg.norm(given(NAMES, rows)._vectors, axis=1) - 1).max() < 1e-6
    for wrong, said in ((2 * vectors(4), "4 of 4 vectors .*'ann/0.png' with 2"), (vectors(4) * 1.002, "4 of 4")):
        with pytest.raises(WeightsError, match=rf"{said}.*; divide each by its length"):
            given(NAMES, wrong)
    for value in (0, np.nan, np.inf):
        rows = vectors(4)
        rows[2] = value
        with pytest.raises(WeightsError, match=r"1 of 4 vectors are not of unit length, .* that of 'bo/0\.png'"):
            given(NAMES, rows)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"names": np.array(NAMES)}, r"holds names <U9 \[4\]; give one array of file names"),
        ({"names": np.array(NAMES), "v": vectors(3)}, r"holds names <U9 \[4\], v float32 \[3, 6\]; give"),
        ({"names": np.array(NAMES), "v": np.eye(4, dtype=int)}, "v int64 .*; give one array"),
        ({"names": np.array(NAMES), "v": vectors(4), "w": vectors(4)}, "v float32 .*, w float32 .*; give one array"),
        ({"names": np.array([], str), "v": vectors(0)}, r"v float32 \[0, 6\]; give one array"),
        ({"names": np.array(["a", "b", "c", "a"]), "v": vectors(4)}, "names 'a' twice; give each image one vector"),
        ({"names": np.array(NAMES, object), "v": vectors(4)}, r"cannot be read .*; save the names as np\.array"),
    ],
)
def test_other_arrays_are_refused_with_what_they_are(tmp_path, arrays, said):
    np.savez(tmp_path / "judge.npz", **arrays)
    with pytest.raises(WeightsError, match=said):
        open_model(tmp_path / "judge.npz")


def test_vectors_do_not_teach_train_steer_or_embed_drawn_images(tmp_path, given):
    model, accelerator = given(NAMES), make_accelerator()
    images, plain = torch.zeros(2, 3, 16, 16, dtype=torch.uint8), random_set(tmp_path / "set.zip", 4, 2)
    for plain_views in (True, False):
        with pytest.raises(InputError, match="and no network: it judges sets, and cannot serve as a teacher; give"):
            teach(model, FaceBatches(plain, 16), accelerator, plain_views)
    with pytest.raises(InputError, match="cannot serve as an attribute classifier's embedder; give the weights"):
        train_classifier(plain, np.ones((4, 1), np.int8), ("Male",), accelerator, tmp_path, model)
    said = "cannot serve to train, to steer, or to embed images drawn in memory; give the weights"
    for use in (
        lambda: embed_batches(model, [images], accelerator),
        lambda: model.prepare_differentiable(images),
        lambda: model.as_file(tmp_path / "x.safetensors"),
        lambda: model.to("cpu"),
    ):
        with pytest.raises(InputError, match=said):
            use()


def test_as_a_judge_it_embeds_sets_and_no_drawn_images(tmp_path, given, faces):
    given(NAMES)
    judge = open_judge("given", tmp_path / "judge.npz", Embedder(make_accelerator()))
    np.testing.assert_allclose(judge.embed(faces(*NAMES)), vectors(4), atol=1e-6)
    assert judge.embed_images is None


def test_verify_judges_vectors_on_pairs_and_on_a_bin(tmp_path, capsys, given, faces):
    names = [f"{person}/{i}.png" for person in "abcdef" for i in range(3)]
    people = faces(*names)
    rows = np.repeat(np.eye(6, dtype=np.float32), 3, axis=0)
    left = [f"{person}/0.png" for person in "abcdef" for _ in range(2)]
    right = [name for i in range(6) for name in (f"{'abcdef'[i]}/1.png", f"{'abcdef'[(i + 1) % 6]}/2.png")]
    same = np.tile([True, False], 6)
    pairs = Protocol(tuple(left), tuple(right), same, np.repeat([1, 2], 6))
    path = write_protocol(tmp_path / "pairs.csv", pairs)
    given(names, rows)
    command = ["verify", "--model", str(tmp_path / "judge.npz"), "--protocol"]
    assert main([*command, str(path), "--images", str(people.path)]) == 0
    said = capsys.readouterr().out
    assert "judge.npz, vectors were given, trained on: not stated" in said and "Accuracy: 100.00 %" in said
    position = [people.names.index(name) for pair in zip(left, right, strict=True) for name in pair]
    write_bin(tmp_path / "lfw.bin", [people.encoded(i) for i in position], same)
    given([f"lfw/{i:08d}.jpg" for i in range(24)], rows[position])
    assert main([*command, str(tmp_path / "lfw.bin")]) == 0
    assert "Accuracy: 100.00 %" in capsys.readouterr().out
