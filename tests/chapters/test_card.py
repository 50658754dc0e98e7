"""A card of a set: what it holds, and metadata that others' tools read."""

import json
from pathlib import Path
from zipfile import ZipFile

import mlcroissant
import numpy as np
import pytest
from tiny_faces import tiny_classifier

from sface_lib.chapters.card import CROISSANT, croissant, make_card, tables
from sface_lib.chapters.setspec import SetSpec
from sface_lib.cli import main
from sface_lib.data import convert_set, open_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import Embedder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rendered_zip):
    """Eight persons, six images each; eight others as authentic, and eight as control."""
    where = tmp_path_factory.mktemp("card")
    for name, first in (("set", 0), ("authentic", 8), ("control", 16)):
        rendered_zip(where / f"{name}.zip", 8, 6, 64, first)
    return where


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return Embedder(make_accelerator("float32"), tmp_path_factory.mktemp("embeddings"))


def card_of(path, embedder, **given):
    return make_card("faces", SetSpec(name="faces", path=str(path)), VERIFIER_PATH, embedder, **given)


@pytest.fixture(scope="module")
def given(folder):
    """What a set is held against."""
    return {"against": folder / "authentic.zip", "control": folder / "control.zip"}


@pytest.fixture(scope="module")
def audited(folder, given, embedder):
    """The card of a set of other persons than those that it is held against."""
    return card_of(folder / "set.zip", embedder, **given)


def test_a_card_tells_what_the_set_holds_and_how_well_its_classes_are_told_apart(folder, embedder):
    card = card_of(folder / "set.zip", embedder)
    assert (card.images, card.identities, card.undecodable) == (48, 8, 0) and card.sizes_px == {"64x64": 48}
    assert card.images_of_identity == {"min": 6, "median": 6, "max": 6}
    assert card.eer_within < 0.2 and card.scored_images == 48
    assert card.fingerprint == open_faces(folder / "set.zip").inspect().fingerprint
    assert card.audit is card.described is None and card.attributes == {}
    assert list(tables(card)) == ["What the set holds."]


def test_a_set_without_labels_has_no_classes_to_tell_apart(folder, embedder, tmp_path):
    convert_set(open_faces(folder / "set.zip", labels="none"), tmp_path / "flat.parquet")
    card = make_card(
        "flat", SetSpec(name="flat", path=str(tmp_path / "flat.parquet"), labels="none"), VERIFIER_PATH, embedder
    )
    assert card.identities is card.eer_within is None and card.images_of_identity == {}


def test_against_an_authentic_set_it_tells_what_is_given_away(folder, embedder, given, audited):
    assert {claim.claim for claim in audited.audit.claims} == {
        "label-free link, share of classes",
        "membership of persons, AUC",
    }
    assert not any(claim.above for claim in audited.audit.claims) and audited.audit.leak["verifier"].bound == 0
    assert audited.described.images == audited.authentic.images == 48
    assert len(tables(audited)) == 4
    own = card_of(folder / "authentic.zip", embedder, **given)
    assert all(claim.value == 1 for claim in own.audit.claims)
    with pytest.raises(InputError, match="--control says who is no training person, which takes --against"):
        card_of(folder / "set.zip", embedder, control=folder / "control.zip")


def test_an_image_that_cannot_be_decoded_is_counted_and_looked_at_no_more(folder, embedder, given, audited, tmp_path):
    """It stands first, so that every other image would be taken for its neighbour if only the labels were cut."""
    good = open_faces(folder / "set.zip")
    with ZipFile(tmp_path / "damaged.zip", "w") as damaged:
        damaged.writestr(f"{good.identities[0]}/000000.png", b"no image")
        for index, name in enumerate(good.names):
            damaged.writestr(f"{good.identities[good.labels[index]]}/a{Path(name).name}", good.encoded(index))
    card = card_of(tmp_path / "damaged.zip", embedder, **given)
    assert (card.images, card.undecodable, card.scored_images) == (49, 1, 48)
    assert card.images_of_identity == {"min": 6, "median": 6, "max": 6}
    assert card.audit.claims == audited.audit.claims and card.eer_within == audited.eer_within


def test_attributes_are_shares_of_what_is_told_reliably(folder, embedder, tmp_path):
    classifier = tiny_classifier()
    classifier.save(tmp_path / "classifier.safetensors")
    card = card_of(folder / "set.zip", embedder, classifier=tmp_path / "classifier.safetensors")
    reliable = np.array(classifier.names)[classifier.reliable()].tolist()
    assert list(card.attributes) == reliable and card.annotated_images == 48
    assert all(0 <= share <= 1 for share in card.attributes.values())


@pytest.mark.parametrize("name", ["set.zip", "set", "set.tar", "set.parquet", "set.rec"])
def test_its_metadata_is_croissant(folder, embedder, tmp_path, name):
    """By the validator of those who made the format."""
    path = folder / name
    if name != "set.zip":
        path = tmp_path / name
        convert_set(open_faces(folder / "set.zip"), path)
    card = card_of(path, embedder)
    metadata = croissant(card, path, "https://creativecommons.org/licenses/by/4.0/", "Nobody, 2026", "Rendered faces.")
    file = tmp_path / "croissant.json"
    file.write_text(json.dumps(metadata))
    dataset = mlcroissant.Dataset(jsonld=str(file))
    assert not dataset.metadata.ctx.issues.errors and metadata["conformsTo"] == CROISSANT
    assert dataset.metadata.name == "faces"
    fields = [field.name for records in dataset.metadata.record_sets for field in records.fields]
    assert fields == ([] if name.endswith((".rec", ".tar")) else ["image", "identity"])  # A .tar is a WebDataset.


def test_the_command_writes_page_json_and_metadata_without_a_picture_unless_asked(folder, tmp_path, capsys):
    path = folder / "generated.zip"  # The name of no set in a report but of a file.
    path.write_bytes((folder / "set.zip").read_bytes())
    given = ["data", "card", str(path), "--credit", "<Nobody>"]
    assert main([*given, "--out", str(tmp_path / "a")]) == 0
    page = (tmp_path / "a" / "card.html").read_text()
    assert "&lt;Nobody&gt;" in page and "<img" not in page and "EER within" in page
    assert json.loads((tmp_path / "a" / "card.json").read_text())["images"] == 48
    assert json.loads((tmp_path / "a" / "croissant.json").read_text())["citeAs"] == "<Nobody>"
    assert main([*given, "--out", str(tmp_path / "b"), "--pictures"]) == 0
    assert "<img" in (tmp_path / "b" / "card.html").read_text()
    assert main(["data", "card", str(tmp_path / "none"), "--out", str(tmp_path / "c")]) == 2
    assert "no file or folder at" in capsys.readouterr().err
