"""Which images train, which pairs are evaluated, and that no person is in both."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from stage_folder import pairs_of

from sface_lib.chapters.data import compute, show
from sface_lib.chapters.data.parameters import DataParameters
from sface_lib.chapters.data.results import DataResults, Failures
from sface_lib.chapters.failures import failure_rates, failures
from sface_lib.chapters.handover import CONTROL, HELD_OUT, PAIRS, SELECTION
from sface_lib.chapters.privacy.parameters import PrivacyParameters
from sface_lib.chapters.study import held_out_by_name, open_study
from sface_lib.chapters.synthetic import SyntheticSet
from sface_lib.data import encode_png, open_faces, write_faces
from sface_lib.data.align import Aligned
from sface_lib.errors import InputError, ParameterError
from sface_lib.population import shipped_faces, shipped_protocol
from sface_lib.run.parameters import check


def own(faces, **changes) -> DataParameters:
    path = str(faces.path)
    return check(DataParameters, {"authentic": path, "protocol": path, "min_images": 1} | changes)


def given(faces):
    """The study of these faces, all of which may train."""
    return SimpleNamespace(faces=faces, candidates=np.arange(len(faces)))


@pytest.fixture(scope="module")
def people(tmp_path_factory, rendered_zip):
    """Four identities of three images."""
    return open_faces(rendered_zip(tmp_path_factory.mktemp("people") / "set.zip", 4, 3, 32))


def test_identities_of_the_evaluated_folds_are_left_out_of_training_and_no_others(people):
    protocol = pairs_of(people, [(0, 1, 1, 1), (3, 4, 1, 2), (0, 3, 0, 3)])  # Fold 1: the first person; 2: the second.
    p = own(people, evaluation_folds="1, 3")
    evaluated = compute.evaluated_pairs(people, {"own": protocol}, p.evaluation_folds)
    assert (evaluated.folds, len(evaluated), evaluated.named) == ((1, 3), 2, 2)
    assert evaluated.identities == {people.identities[0], people.identities[1]}
    assert evaluated.images.tolist() == [0, 1, 3]
    selection = compute.select_training(p, given(people), evaluated)
    assert selection.excluded == {0, 1}
    assert selection.positions.tolist() == [6, 7, 8, 9, 10, 11]
    assert selection.faces.labels.tolist() == [0, 0, 0, 1, 1, 1]  # Numbered anew.
    assert selection.images_per_identity.tolist() == [3, 3]


def folder_of(path, images):
    """A folder of one identity for each image, whose name is in no other set."""
    for i, image in enumerate(np.asarray(images)):
        (path / f"Ann_{i}").mkdir(parents=True)
        (path / f"Ann_{i}" / "1.png").write_bytes(encode_png(image))
    return open_faces(path)


def test_pairs_of_another_set_exclude_whoever_shows_in_an_equal_image_of_an_evaluated_pair(people, tmp_path):
    other = folder_of(tmp_path / "other", people.load([4, 7, 10]))
    protocol = pairs_of(other, [(0, 1, 0, 1), (1, 0, 0, 2), (0, 2, 0, 3)])  # The third image is in fold 3 alone.
    p = own(people, evaluation_folds="1-2")
    evaluated = compute.evaluated_pairs(other, {"own": protocol}, p.evaluation_folds)
    assert evaluated.identities == {"Ann_0", "Ann_1"}
    assert compute.select_training(p, given(people), evaluated).excluded == {1, 2}


def test_pairs_whose_persons_are_unknown_exclude_equal_images_all_the_same(people, tmp_path):
    foreign = shipped_faces("control").load([0], size_px=32)
    images = np.concatenate([people.load([0, 3]), foreign, 255 - np.asarray(foreign)])
    bare = open_faces(write_faces(tmp_path / "bare.zip", images, None))
    evaluated = compute.evaluated_pairs(bare, {"own": pairs_of(bare, [(0, 1, 0, 1), (2, 3, 0, 2)])}, "all")
    assert evaluated.identities == frozenset()
    assert compute.select_training(own(people), given(people), evaluated).excluded == {0, 1}


def test_the_embedded_selection_has_the_first_images_of_the_first_identities():
    p = check(DataParameters, {"embedded_identities": 3, "embedded_images": 2})
    evaluated = compute.evaluated_pairs(shipped_faces("benchmark"), {"age-gap": shipped_protocol("age-gap")}, "1-2")
    selection = compute.select_training(p, open_study(p), evaluated)
    assert selection.positions.tolist() == [0, 1, 20, 21, 40, 41] and selection.excluded == frozenset()


def test_identities_with_fewer_images_than_asked_do_not_train(people):
    part = people.subset([0, 1, 2, 3, 6, 7])  # Three, one and two images.
    evaluated = compute.evaluated_pairs(people, {"own": pairs_of(people, [(9, 10, 1, 1), (9, 11, 1, 2)])}, "all")
    selection = compute.select_training(own(people, min_images=2), given(part), evaluated)
    assert selection.images_per_identity.tolist() == [3, 2]


# What no generator sees


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, rendered_zip):
    """Ten identities of six images, the last two of them in the evaluated pairs."""
    folder = tmp_path_factory.mktemp("crowd")
    drawn = open_faces(rendered_zip(folder / "drawn.zip", 10, 6, 16))
    names = [f"person-{i}" for i in range(10)]
    faces = open_faces(write_faces(folder / "set.zip", drawn.load(), drawn.labels, names))
    rows = [(48, 49, 1, 1), (54, 55, 1, 2), (48, 54, 0, 1), (49, 55, 0, 2)]
    return faces, compute.evaluated_pairs(faces, {"own": pairs_of(faces, rows)}, "all")


def test_control_persons_are_kept_apart_whole_and_before_training(crowd):
    faces, evaluated = crowd
    selection = compute.select_training(own(faces, control_split=0.25), given(faces), evaluated)
    trained, apart = (set(faces.labels[rows].tolist()) for rows in (selection.positions, selection.control.positions))
    assert len(apart) == 2 and len(trained) == 6 and not apart & trained and not (apart | trained) & {8, 9}
    assert len(selection.control) == 12
    names = [faces.identities[label] for label in faces.labels[selection.control.positions]]
    assert names == [selection.control.identities[label] for label in selection.control.labels]
    again = compute.select_training(own(faces, control_split=0.25), given(faces), evaluated)
    other = compute.select_training(own(faces, control_split=0.25, seed=1), given(faces), evaluated)
    drawn = [each.control.positions.tolist() for each in (again, selection, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_held_out_images_are_of_training_persons_and_bear_their_labels(crowd):
    faces, evaluated = crowd
    p = own(faces, control_split=0.25, held_out_split=0.5)
    selection = compute.select_training(p, given(faces), evaluated)
    assert selection.images_per_identity.tolist() == [3] * 6 and len(selection.held_out) == 18
    apart = selection.held_out
    assert not set(selection.positions.tolist()) & set(apart.positions.tolist())
    names = [faces.identities[label] for label in faces.labels[apart.positions]]
    assert names == [selection.faces.identities[label] for label in apart.labels]
    p = own(faces, held_out_split=0.5, min_images=5)  # Five of six images stay.
    assert compute.select_training(p, given(faces), evaluated).images_per_identity.tolist() == [5] * 8


def test_what_is_kept_apart_comes_back_as_control_and_held_out(crowd, tmp_path):
    faces, evaluated = crowd
    p = own(faces, control_split=0.25, held_out_split=0.5)
    selection = compute.select_training(p, given(faces), evaluated)
    files = {name: tmp_path / name.replace("/", "-") for name in (SELECTION, CONTROL, HELD_OUT, PAIRS)}
    compute.hand_over(SimpleNamespace(output=files.get), selection, evaluated)
    study = open_study(check(PrivacyParameters, {**p.model_dump(include=UNSEEN), **own_paths(faces)}), files.get)
    assert study.training.names == selection.faces.names
    assert study.control.names == selection.control.names and len(study.control.identities) == 2
    assert study.held_out.identities == study.training.identities
    whose = dict(zip(faces.names, faces.labels, strict=True))
    for name, label in zip(study.held_out.names, study.held_out.labels, strict=True):
        assert faces.identities[whose[name]] == study.training.identities[label]


UNSEEN = {"authentic", "protocol", "control_split", "held_out_split"}


def own_paths(faces):
    return {"verifier": str(faces.path), "attribute_classifier": "none"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, False, False)),
        ({"control_split": 0.25, "held_out_split": 0.5}, (True, False, True)),
        ({"control_same_distribution": True, "held_out_same_distribution": True}, (True, True, True)),
    ],
)
def test_what_this_run_keeps_apart_is_unseen_by_its_own_generator_and_by_unexposed_ones(crowd, changes, expected):
    """A set that was given may come from a generator that saw all of the authentic set."""
    faces, _ = crowd
    study = open_study(own(faces, **changes))
    sets = [
        SyntheticSet("generated", faces, "authentic"),
        SyntheticSet("given", faces, "own"),
        SyntheticSet("floor", faces, "own", exposed=False),
    ]
    assert tuple(map(study.control_is_exchangeable, sets)) == expected
    assert tuple(map(study.held_out_at_random, sets)) == expected
    rendered = open_study(check(DataParameters, {}))
    assert all(map(rendered.control_is_exchangeable, sets)) and all(map(rendered.held_out_at_random, sets))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"control_split": 0.1}, "control_split = 0.1 keeps 1 of 8 identities apart, and two are needed"),
        ({"held_out_split": 0.5, "min_images": 6}, "held_out_split = 0.5 keeps no image apart"),
    ],
)
def test_splits_that_leave_too_little_are_refused(crowd, changes, sentence):
    faces, evaluated = crowd
    with pytest.raises(ParameterError, match=sentence):
        compute.select_training(own(faces, **changes), given(faces), evaluated)


def test_the_embedded_population_has_its_own_and_a_path_excludes_a_split(crowd):
    faces, _ = crowd
    for wrong in ({"control_split": 0.2}, {"held_out_same_distribution": True}, {"control": str(faces.path)}):
        with pytest.raises(ParameterError, match="the embedded population has its own"):
            check(DataParameters, wrong)
    with pytest.raises(ParameterError, match="held_out and held_out_split exclude each other"):
        own(faces, held_out=str(faces.path), held_out_split=0.2)


def test_control_and_held_out_images_that_trained_are_refused(crowd, tmp_path):
    faces, evaluated = crowd
    selection = compute.select_training(own(faces), given(faces), evaluated)
    pixels = faces.load([0, 1, 6, 7])
    seen = write_faces(tmp_path / "seen", pixels, [0, 0, 1, 1], ["Someone", "Another"])
    named = write_faces(tmp_path / "named", 255 - pixels, [0, 0, 1, 1], [faces.identities[3], "Another"])
    for changes, sentence in (
        ({"control": str(faces.path)}, "share 10 persons by name"),
        ({"control": str(named)}, f"share 1 persons by name, such as '{faces.identities[3]}'"),
        ({"control": str(seen)}, "holds 4 of the training images, byte for byte"),
        ({"held_out": str(seen)}, "has no person with the name of a training identity"),
        ({"held_out": str(faces.path)}, "holds 48 of the training images"),
    ):
        p = own(faces, **changes)
        with pytest.raises(InputError, match=sentence):
            compute.check_unseen(p, open_study(p), selection)
    p = own(faces, held_out=str(named))
    compute.check_unseen(p, open_study(p), selection)
    assert held_out_by_name(open_faces(named), faces.identities).labels.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"recognition_batch": 7}, "recognition_batch = 7 is more than the 6"),
        ({"recognition_batch": 5, "images_per_class": 2}, "recognition_batch = 5 is more than the 4"),
    ],
)
def test_a_batch_larger_than_what_there_is_to_train_on_is_refused(changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        compute.check_recognition_batch(check(DataParameters, changes), np.array([4, 2]))
    compute.check_recognition_batch(check(DataParameters, changes | {"train": False}), np.array([4, 2]))


def test_a_batch_of_all_images_is_allowed():
    compute.check_recognition_batch(check(DataParameters, {"recognition_batch": 6}), np.array([4, 2]))


def test_one_identity_makes_no_report(people, tmp_path):
    one = open_faces(write_faces(tmp_path / "one.zip", people.load([0, 1]), np.zeros(2, np.int64)))
    with pytest.raises(InputError, match="a report needs two identities or more"):
        compute.inspect(open_study(own(one)))


def test_examples_show_genuine_pairs_then_impostors_left_beside_right(people):
    rows = [(0, 1, 1, 1), (3, 4, 1, 1), (0, 3, 0, 2), (6, 9, 0, 2)]
    evaluated = compute.evaluated_pairs(people, {"own": pairs_of(people, rows)}, "all")
    genuine, impostor = compute.example_pairs(evaluated, seed=0)
    assert sorted(map(tuple, genuine.reshape(-1, 2).tolist())) == [(0, 1), (3, 4)]
    assert sorted(map(tuple, impostor.reshape(-1, 2).tolist())) == [(0, 3), (6, 9)]
    assert [len(row) for row in compute.example_pairs(evaluated, seed=0, each=1)] == [2, 2]


def test_shares_of_attributes_add_up_to_one():
    truth = pd.DataFrame(
        {"Male": [1, 1, -1, 0], "Young": [0, 0, 0, 0], "Attractive": [-1, -1, -1, -1], "yaw": [9.0] * 4}
    )
    shares = compute.attribute_shares(truth)
    assert shares.loc["Male"].tolist() == [0.5, 0.25, 0.25] and shares.loc["Young", "undefined"] == 1
    assert shares.index.tolist() == ["Male", "Young", "Attractive"]
    (_, numbers), undecided = show.attributes(truth)
    assert undecided == "Young" and numbers["attribute"].tolist() == ["Male", "Young", "Attractive"]


def test_only_the_rendered_population_has_a_truth(people):
    assert open_study(own(people)).truth is None
    truth = compute.with_light(open_study(check(DataParameters, {})).truth)
    assert len(truth) == 4000 and truth["light_degrees"].abs().max() <= 180


def test_equal_numbers_of_images_need_no_histogram(people):
    selection = compute.Selection(people, np.arange(12), frozenset())
    assert show.images_per_identity(selection) is None
    part = compute.Selection(people.subset([0, 1, 2, 3, 4, 6]), np.arange(6), frozenset())
    _, numbers = show.images_per_identity(part)
    assert numbers.to_numpy().tolist() == [[1, 1], [2, 1], [3, 1]]


FOUND = DataResults(True, 4000, 200, 3, "f", 144, 12, 5, 0, 0, 0, 3000, ("a", "b"), 60, (1, 2), ())


@pytest.mark.parametrize(
    ("changes", "left_out", "said"),
    [
        ({}, 0, "pairs of 60 other identities, in 2 benchmarks. 5 identities"),
        ({"rendered": False}, 0, "12 identities of the authentic set given. Recognition"),
        ({"evaluation_identities": 0}, 0, "pairs of unknown identities, in 2 benchmarks"),
        ({"evaluation_identities": 0}, 0, "Persons of the pairs are unknown: only byte-identical images"),
        ({"benchmarks": ("a",)}, 7, "60 other identities. 5 identities"),
        ({}, 7, "3 images could not be decoded and were left out, with 7 pairs."),
    ],
)
def test_the_sentence_tells_what_is_known(changes, left_out, said):
    assert said in show.what_was_split(replace(FOUND, **changes), left_out)


# Failures to acquire


@pytest.mark.parametrize(
    ("undecodable", "said"),
    [
        (0, "0 of 4,000 (below 0.075 %)"),  # The rule of three: 3 / 4,000.
        (40, "40 of 4,000 (1 % [0.72, 1.4])"),  # Clopper and Pearson: 0.715 to 1.359.
        (4000, "4,000 of 4,000 (100 % [100, 100])"),
    ],
)
def test_a_failure_to_decode_is_a_rate_with_its_interval(undecodable, said):
    (row,) = failure_rates([Failures("set", 4000, undecodable, None, None)]).to_dict("records")
    assert row == {
        "set": "set",
        "failed to decode": said,
        "no face detected, and none aligned": "not measured: given aligned",
    }


def test_what_was_aligned_tells_of_the_photographs(tmp_path, monkeypatch):
    """Of 17 photographs one was no image and two had no face; of the crops one is damaged."""
    monkeypatch.setattr("sface_lib.chapters.failures.what_was_aligned", lambda path: Aligned(path, 14, 2, 1))
    found = failures("set", SimpleNamespace(path=tmp_path), 14, 1)
    assert (found.read, found.undecodable, found.photographs, found.without_face) == (15, 2, 16, 2)
    (row,) = failure_rates([found]).to_dict("records")
    assert row["failed to decode"].startswith("2 of 15 (13 % [")
    assert row["no face detected, and none aligned"].startswith("2 of 16 (12 % [")


def test_every_set_that_is_read_has_its_rates(tmp_path, people):
    """One image of control is damaged; the pairs are of the authentic set, which stands once."""
    control = tmp_path / "control"
    write_faces(control, np.zeros((6, 3, 8, 8), np.uint8), np.repeat([0, 1], 3))
    next(control.rglob("*.png")).write_bytes(b"no image")
    p = own(people, control=str(control))
    study = open_study(p)
    pairs = pairs_of(people, [(0, 1, 1, 1), (0, 3, 0, 2)])
    evaluated = compute.evaluated_pairs(people, {"own": pairs}, "all")
    selection = compute.select_training(p, study, evaluated)
    found = compute.failures_of(study, compute.inspect(study), selection, evaluated)
    assert [(each.name, each.read, each.undecodable) for each in found] == [
        ("authentic", len(people), 0),
        ("control", 6, 1),
    ]


def test_images_of_the_pairs_are_counted_where_some_cannot_be_decoded():
    faces = shipped_faces("benchmark")
    evaluated = compute.evaluated_pairs(faces, {"age-gap": shipped_protocol("age-gap")}, "1-2")
    assert (evaluated.read, evaluated.undecodable) == (len(evaluated.images), 0)
    found = compute.failures_of(
        SimpleNamespace(faces=SimpleNamespace(path="elsewhere"), unseen_sets=lambda identities: {}),
        SimpleNamespace(n_images=9, bad=()),
        SimpleNamespace(faces=SimpleNamespace(identities=("a",))),
        evaluated,
    )
    assert [(each.name, each.read) for each in found] == [("authentic", 9), ("verification pairs", evaluated.read)]
