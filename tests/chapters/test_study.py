"""What a report is about: the embedded population, or the user's own faces, by one interface."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from stage_folder import StageFolder, pairs_of
from tiny_faces import random_set

from sface_lib.chapters import handover
from sface_lib.chapters.generation.parameters import GeneratorTrainingParameters
from sface_lib.chapters.profiles import build_parameters
from sface_lib.chapters.setspec import SetSpec, parse_sets
from sface_lib.chapters.study import PopulationStudy, open_persons, open_study, read_groups, weights_file
from sface_lib.cli import main
from sface_lib.data import encode_png, open_faces, write_bin, write_faces, write_protocol
from sface_lib.errors import InputError
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces, shipped_truth
from sface_lib.recognition import resolve_pairs
from sface_lib.report.plan import plan_report
from sface_lib.report.runner import run_report


def test_pairs_of_several_benchmarks_come_back_with_their_images(tmp_path):
    stage, faces = StageFolder(tmp_path, authentic="embedded"), shipped_faces("benchmark")
    given = {
        "second": pairs_of(faces, [(40, 41, 1, 1), (7, 60, 0, 1), (90, 91, 1, 2), (3, 200, 0, 2)]),
        "first": pairs_of(faces, [(41, 7, 0, 1), (60, 61, 1, 1), (200, 201, 1, 2), (90, 3, 0, 2)]),
    }
    handover.write_pairs(stage, {name: resolve_pairs(protocol, faces) for name, protocol in given.items()})
    images, found = stage.study().evaluated
    assert list(found) == ["second", "first"] and len(images) == 10  # Each image once, the benchmarks in their order.
    for name, protocol in given.items():
        assert tuple(images.names[i] for i in found[name].left) == protocol.left
        assert tuple(images.names[i] for i in found[name].right) == protocol.right
        people = [faces.identities[label] for label in found[name].right_identity]
        assert people == [name.split("/")[0] for name in protocol.right]
        assert found[name].same.tolist() == protocol.same.tolist() and found[name].fold.tolist() == [1, 1, 2, 2]


@pytest.fixture
def own_sets(tmp_path):
    """Six identities to train on; a benchmark of four others, and of one of the six under another name."""
    whole = shipped_faces("balanced")
    pixels = whole.load(first_images(whole, 10, 6))
    labels = np.repeat(np.arange(10), 6)
    write_faces(tmp_path / "train", pixels[:36], labels[:36], [f"person-{i}" for i in range(6)])
    tested = np.flatnonzero((labels == 2) | (labels >= 6))
    relabelled = np.unique(labels[tested], return_inverse=True)[1]
    write_faces(tmp_path / "test", pixels[tested], relabelled, [f"someone-{i}" for i in range(5)])
    rows = [(6 * i, 6 * i + 1, 1, 1 + i % 2) for i in range(5)] + [(0, 12, 0, 1), (6, 18, 0, 2)]
    return write_protocol(tmp_path / "pairs.csv", pairs_of(open_faces(tmp_path / "test"), rows))


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.usefixtures("inputs_opened_here")
def test_an_identity_whose_images_are_tested_is_not_trained_on_under_another_name(tmp_path, own_sets):
    given = {"authentic": "train", "protocol_faces": "test", "protocol": "pairs.csv"}
    changes = {name: str(tmp_path / file) for name, file in given.items()} | {"verifier": str(VERIFIER_PATH)}
    changes |= {"evaluation_folds": "all", "images_per_class": "6", "recognition_batch": "16"}
    plan = plan_report("smoke", changes, out=str(tmp_path / "run"))
    assert run_report(dataclasses.replace(plan, stages=plan.stages[:1])) == 0
    selection = pd.read_csv(tmp_path / "run" / "data" / "selection.csv")
    faces = open_faces(tmp_path / "train")
    trained = {faces.identities[label] for label in faces.labels[selection["position"]]}
    assert trained == {"person-0", "person-1", "person-3", "person-4", "person-5"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "person-" not in page and "1 identities of the set occur in the evaluated pairs" in page


def test_a_folder_of_bins_is_evaluated_without_identities(tmp_path):
    images = np.arange(40 * 3 * 64).reshape(40, 3, 8, 8).astype(np.uint8)
    (tmp_path / "bins").mkdir()
    for name, first in (("lfw", 0), ("calfw", 20)):
        write_bin(tmp_path / "bins" / f"{name}.bin", images[first : first + 20], [True, False] * 5)
    stage = StageFolder(
        tmp_path, authentic=str(tmp_path), protocol=str(tmp_path / "bins"), protocol_faces="", groups=""
    )
    faces, protocols = stage.study().pairs
    handover.write_pairs(stage, {name: resolve_pairs(pairs, faces) for name, pairs in protocols.items()})
    study = stage.study()
    evaluated, found = study.evaluated
    assert list(found) == ["CALFW", "LFW"] and len(evaluated) == 40 and evaluated.labels is None
    assert found["LFW"].identities == (None, None) and study.groups == {}
    assert study.control is study.held_out is None


def test_groups_of_own_faces_come_from_a_table_by_name(tmp_path, rendered_zip):
    path = rendered_zip(tmp_path / "set.zip", 3, 2, 16)
    faces, table = open_faces(path), tmp_path / "groups.csv"
    pairs = write_protocol(tmp_path / "pairs.csv", pairs_of(faces, [(0, 1, 1, 1), (0, 2, 0, 2)]))
    stage = StageFolder(tmp_path, authentic=str(path), protocol=str(pairs), protocol_faces="", groups=str(table))
    names = faces.identities
    table.write_text(f"identity,group\n{names[2]},b\n{names[0]},a\nnobody,a\n")
    assert stage.study().groups == {0: "a", 2: "b"}
    handover.write_selection(stage, np.array([0, 2, 3, 5]), np.array([0, 1, 1, 2]))
    traits = stage.study().traits["group"]  # Of training identities, in their numbering.
    assert traits.isna().tolist() == [False, True, False] and traits.dropna().tolist() == ["a", "b"]
    table.write_text("identity,group\nnobody,a\n")
    with pytest.raises(InputError, match="names none of the training or evaluated identities"):
        _ = stage.study().groups
    table.write_text("name,group\nnobody,a\n")
    with pytest.raises(InputError, match="has the columns .'name', 'group'.; give identity and group"):
        _ = stage.study().groups


def test_groups_name_identities_in_either_of_unicodes_normal_forms(tmp_path):
    table = tmp_path / "groups.csv"
    table.write_text("identity,group\nZoe\u0308,a\nBo,b\n", encoding="utf-8")
    assert read_groups(table) == {"Zo\u00eb": "a", "Bo": "b"}


def test_which_images_train_has_one_answer(tmp_path):
    """Those of a selection wherever there is one; without it, all that may."""
    stage = StageFolder(tmp_path, authentic="embedded", embedded_identities=4, embedded_images=3)
    study, faces = stage.study(), shipped_faces("balanced")
    assert study.candidates.tolist() == first_images(faces, 4, 3).tolist()
    assert study.select().names == tuple(faces.names[i] for i in study.candidates)
    kept = study.candidates[3:]  # As notebook 01 leaves them where the first identity is tested.
    handover.write_selection(stage, kept, np.repeat([0, 1, 2], 3))
    for selected in (study.training, study.select(stage.input(handover.SELECTION))):
        assert selected.names == tuple(faces.names[i] for i in kept)
        assert selected.labels.tolist() == np.repeat([0, 1, 2], 3).tolist()
    truth = shipped_truth("balanced").iloc[kept]
    pd.testing.assert_frame_equal(study.training_truth, truth)
    assert study.traits["ancestry"].tolist() == truth["ancestry"].iloc[::3].tolist()
    assert study.traits["gender"].tolist() == ["men" if m == 1 else "women" for m in truth["Male"].iloc[::3]]
    short = write_faces(tmp_path / "short.zip", np.zeros((2, 3, 8, 8), np.uint8), [0, 1])
    with pytest.raises(InputError, match="belongs to another set"):
        open_study(type("P", (), {"authentic": str(short)})).select(stage.input(handover.SELECTION))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("position\n4000\n", "names images outside 0 to 3999; it belongs to another set"),
        ("position\n", "names images outside"),
        ("place\n1\n", "is no selection"),
        ("position\nfirst\n", "is no selection"),
    ],
)
def test_a_selection_of_something_else_is_refused(tmp_path, text, sentence):
    (tmp_path / "selection.csv").write_text(text)
    with pytest.raises(InputError, match=sentence):
        open_study(build_parameters("smoke")).select(tmp_path / "selection.csv")


def test_an_image_that_cannot_be_decoded_may_train_only_where_it_stops_the_run(tmp_path):
    path = write_faces(tmp_path / "own", np.zeros((4, 3, 8, 8), np.uint8), [0, 0, 1, 1])
    min(Path(path).rglob("*.png")).write_bytes(b"no picture")
    parameters = {"authentic": str(path), "generator_weights": "none"}
    given = {rule: parameters | {"on_bad_image": rule} for rule in ("stop", "skip")}
    found = {r: open_study(build_parameters("smoke", p, GeneratorTrainingParameters)) for r, p in given.items()}
    assert len(found["stop"].candidates) == 4 and found["skip"].candidates.tolist() == [1, 2, 3]


def test_unseen_faces_of_the_population_are_as_many_persons_as_train(tmp_path):
    stage = StageFolder(tmp_path, authentic="embedded", embedded_identities=6, embedded_images=4)
    handover.write_selection(stage, stage.study().candidates, np.repeat(np.arange(6), 4))
    study = stage.study()
    assert np.bincount(study.control.labels).tolist() == [10] * 6
    assert np.bincount(study.held_out.labels).tolist() == [5] * 6
    assert study.held_out.identities == study.training.identities  # Other images of the same persons.
    assert not set(study.control.identities) & set(study.training.identities)
    own, other = study.authentic_sets
    assert (own.name, other.name, len(other.faces.identities)) == ("balanced", "global", 6)
    assert own.faces is study.training and len(own.truth) == 24 and len(other.truth) == len(other.faces)


def test_the_synthetic_set_of_the_run_bears_the_authentic_labels(tmp_path):
    stage = StageFolder(tmp_path, authentic="embedded")
    write_faces(stage.output(handover.SYNTHETIC), np.zeros((2, 3, 8, 8), np.uint8), [0, 1])
    (synthetic,) = stage.study().synthetic
    assert (synthetic.name, synthetic.origin, synthetic.labels) == ("generated", None, "authentic")
    assert len(synthetic.faces) == 2


def test_the_persons_of_the_evaluated_pairs_stand_in_for_control_of_own_faces(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 3, 2, 16))
    protocol = pairs_of(faces, [(0, 1, 1, 1), (0, 2, 0, 2)])
    pairs = write_protocol(tmp_path / "pairs.csv", protocol)
    stage = StageFolder(tmp_path, authentic=str(faces.path), protocol=str(pairs), protocol_faces="", groups="")
    handover.write_pairs(stage, {"own": resolve_pairs(protocol, faces)})
    handover.write_selection(stage, np.array([4, 5]), np.array([0, 0]))
    study = stage.study()
    assert study.control.names == tuple(faces.names[:3]) and study.held_out is None
    assert study.truth is study.training_truth is study.traits is study.evaluated_truth is None
    (own,) = study.authentic_sets
    assert own.name == "authentic" and own.faces is study.training and own.truth is None


def test_words_for_weights_are_told_from_paths(tmp_path):
    shipped, mine, public = tmp_path / "shipped", str(tmp_path / "mine"), tmp_path / "public"
    assert weights_file("embedded", shipped) == weights_file("auto", shipped) == shipped
    assert weights_file("none", shipped) is None and weights_file(mine, shipped) == Path(mine)
    assert weights_file("auto", None) is None

    def asked(authentic="embedded", **parameters):
        return StageFolder(tmp_path, authentic=authentic, **parameters).study()

    assert asked(verifier="embedded").verifier == VERIFIER_PATH
    judged = {word: asked(verifier=mine, second_verifier=word) for word in ("auto", "none", mine + "2")}
    assert judged["auto"].judges(public) == {"verifier": Path(mine), "dlib": public}
    assert judged["auto"].judges(None) == judged["none"].judges(public) == {"verifier": Path(mine)}
    assert judged[mine + "2"].judges(public) == {"verifier": Path(mine), "second verifier": Path(mine + "2")}
    assert asked(attribute_classifier="auto").attribute_classifier(shipped) == shipped
    assert asked(mine, attribute_classifier="auto").attribute_classifier(shipped) is None
    assert asked(mine, attribute_classifier=mine).attribute_classifier(shipped) == Path(mine)


@pytest.mark.parametrize("name", ["authentic", "control", "held_out", "protocol_faces"])
def test_numbered_folders_are_no_persons_until_a_copy_says_so(tmp_path, name):
    """A silent acceptance would take FFHQ's folders of a thousand strangers for persons."""
    data = encode_png(np.zeros((3, 8, 8), np.uint8))
    for each in ("00000/00000", "00000/00001", "01000/01000", "01000/01001"):
        (tmp_path / "shares" / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shares" / f"{each}.png").write_bytes(data)
    said = f"^{name} = '.*shares' holds numbered folders.*`sface data convert IN OUT --labels folders` makes$"
    with pytest.raises(InputError, match=said):
        open_persons(name, tmp_path / "shares")
    for copy in ("copy.parquet", "copy.zip", "copy"):
        assert main(["data", "convert", str(tmp_path / "shares"), str(tmp_path / copy), "--labels", "folders"]) == 0
        assert open_persons(name, tmp_path / copy).identities == ("00000", "01000")


def test_models_that_had_a_part_in_a_set_are_barred_from_it_and_from_no_other(tmp_path):
    """What steered this run's generator, what lies inside a given one's, and what was trained on a set."""
    drawn, given = (random_set(tmp_path / name, 8, 4).path for name in ("drawn.zip", "given.zip"))
    net = tmp_path / "net.pth"
    net.touch()
    tables = parse_sets({"generated": {"taught_by": ["r50"]}, "x": {"path": str(given), "model": str(net)}})
    sets = [SetSpec(**each) for each in tables]
    parameters = SimpleNamespace(synthetic=sets, identity_order="", identity_model="g.pth", on_bad_image="stop")
    study = PopulationStudy(parameters, lambda name: drawn)
    study.training = study.open_set(sets[0]).faces
    assert [each.barred_models for each in study.synthetic] == [
        {"r50": "taught the set's generator", "g.pth": "steered the set's generator"},
        {str(net): "was trained on the set"},
    ]
    del parameters.identity_model  # Notebooks that judge nothing do not read it.
    assert study.open_set(sets[0]).barred_models == {"r50": "taught the set's generator"}
