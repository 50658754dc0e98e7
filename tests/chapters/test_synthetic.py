"""Synthetic sets: how they are asked for, and what their classes stand for."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from sface_lib.chapters.profiles import build_parameters
from sface_lib.chapters.registry import ReportParameters
from sface_lib.chapters.setspec import SetSpec, parse_sets
from sface_lib.chapters.study import open_study
from sface_lib.chapters.synthetic import open_given
from sface_lib.data import encode_png, write_faces
from sface_lib.errors import InputError, ParameterError
from sface_lib.run.parameters import check, input_paths


@pytest.fixture
def own_set(tmp_path):
    """A set of two images of each of some named classes, as a zip."""

    def make(name, classes, images=2):
        labels = np.repeat(np.arange(len(classes)), images)
        pixels = np.random.default_rng(0).integers(0, 255, (len(labels), 3, 8, 8), dtype=np.uint8)
        return write_faces(tmp_path / name, pixels, labels, classes)

    return make


def asked(text, **others):
    return build_parameters("quick", {"synthetic": text} | others).synthetic


# Asking


def test_sets_are_asked_for_by_name_path_labels_and_exposure(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
    found = asked(
        f"generated, x={tmp_path}/a, y={tmp_path}/b:authentic , z={tmp_path}/c:unexposed:none, floor=embedded"
    )
    assert [(each.name, each.labels, each.exposed) for each in found] == [
        ("generated", "authentic", True),
        ("x", "own", True),
        ("y", "authentic", True),
        ("z", "none", False),
        ("floor", "own", False),
    ]
    assert [each.path for each in found] == ["", *(str(tmp_path / name) for name in "abc"), "embedded"]


def test_what_was_asked_for_comes_back_from_its_text_and_from_its_tables(tmp_path):
    """As papermill and the run's record hold it; the text holds no model, so that tables stand where there is one."""
    (tmp_path / "a,b").mkdir()
    (tmp_path / "net.pth").touch()
    plain = {"name": "x", "path": str(tmp_path), "labels": "none", "exposed": False}
    awkward = {"name": "y", "path": str(tmp_path / "a,b"), "model": str(tmp_path / "net.pth"), "taught_by": ["r100"]}
    for tables, kind in (([{"name": "generated"}, plain], str), ([plain, awkward], list)):
        first = check(ReportParameters, {"synthetic": tables})
        dumped = first.model_dump(mode="json")["synthetic"]
        assert isinstance(dumped, kind) and json.loads(json.dumps(dumped)) == dumped
        assert check(ReportParameters, {"synthetic": dumped}).synthetic == first.synthetic


def test_files_of_the_sets_are_part_of_what_is_read(tmp_path):
    (tmp_path / "net.pth").touch()
    given = [
        {"name": "x", "path": str(tmp_path), "model": str(tmp_path / "net.pth")},
        {"name": "f", "path": "embedded"},
    ]
    p = check(ReportParameters, {"synthetic": given})
    assert input_paths(p) == {"synthetic x": tmp_path, "synthetic x model": tmp_path / "net.pth"}


def test_models_inside_a_generator_are_a_list_and_files_among_them_are_read(tmp_path):
    """A change of what lies there may change who judges."""
    (tmp_path / "net.pth").touch()
    (tmp_path / "r100.onnx").touch()
    given = {"name": "x", "path": str(tmp_path), "model": str(tmp_path / "net.pth")}
    taught = [str(tmp_path / "r100.onnx"), "ArcFace"]
    p = check(ReportParameters, {"synthetic": [given | {"taught_by": taught}]})
    assert input_paths(p)[f"synthetic x taught by {taught[0]}"] == tmp_path / "r100.onnx" and len(input_paths(p)) == 3
    assert p.synthetic[0].barred_models == {
        given["model"]: "was trained on the set",
        taught[0]: "taught the set's generator",
        "ArcFace": "taught the set's generator",
    }
    for wrong in ("r100", [""], [3], 3):
        with pytest.raises(ParameterError, match="which is no list of models; give their paths, names or SHA-256"):
            check(ReportParameters, {"synthetic": [given | {"taught_by": wrong}]})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "synthetic is empty"),
        ("HERE", "is not name=path"),
        ("a=HERE:foreign", "is not name=path"),
        ("a=HERE:own:none", "is not name=path"),
        ("a=nowhere", "no file or folder at 'nowhere'"),
        ("a=HERE, A=HERE/b", "the name 'a' stands twice"),
        ("a=HERE, b=HERE", "stands twice"),
        ("baseline=HERE", "'baseline' is taken"),
        ("a b=HERE", "'a b' cannot name a set"),
        ("a=HERE:authentic:unexposed", "'a' cannot be unexposed"),
        ("a=embedded:authentic", "labels = 'own', not 'authentic'"),
        ("generated=HERE", "give the set at .* another name"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(tmp_path, monkeypatch, text, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    with pytest.raises(ParameterError, match=sentence) as caught:
        asked(text.replace("HERE", str(tmp_path)))
    assert "\n" not in str(caught.value)


def test_an_order_of_identities_without_a_set_that_needs_it_is_refused(tmp_path):
    (tmp_path / "order.txt").touch()
    with pytest.raises(ParameterError, match="identity_order names classes"):
        asked(f"a={tmp_path}", identity_order=str(tmp_path / "order.txt"))


def test_generator_parameters_bind_only_where_a_generator_is_used(tmp_path):
    """Weights of the embedded generator do not fit own faces, which matters to nobody who draws nothing."""
    verifier = tmp_path / "v.pth"
    verifier.touch()
    own = {"authentic": str(tmp_path), "protocol": str(tmp_path), "verifier": str(verifier)}
    with pytest.raises(ParameterError, match="generator_weights"):
        asked("generated", **own)
    assert not build_parameters("quick", {"synthetic": f"a={tmp_path}/.", **own}).generates


# A study file


def test_a_study_file_is_a_profile_whose_paths_are_beside_it(tmp_path):
    folder = tmp_path / "study"
    for name in ("faces", "sets/a", "pairs"):
        (folder / name).mkdir(parents=True)
    for name in ("v.pth", "net.pth", "taught.pth"):
        (folder / name).touch()
    (folder / "mine.toml").write_text(
        """
        profile = "smoke"
        authentic = "faces"
        protocol = "pairs"
        verifier = "v.pth"
        seed = 3
        [synthetic.first]
        path = "sets/a"
        labels = "none"
        model = "net.pth"
        taught_by = ["taught.pth", "ArcFace R100"]
        credit = "A. Author"
        [synthetic.floor]
        path = "embedded"
        """
    )
    p = build_parameters(str(folder / "mine.toml"), {"seed": "4"})
    first, floor = p.synthetic
    assert (p.authentic, p.verifier) == (str(folder / "faces"), str(folder / "v.pth"))
    assert (first.path, first.model) == (str(folder / "sets/a"), str(folder / "net.pth"))
    assert first.taught_by == (str(folder / "taught.pth"), "ArcFace R100") and first.credit == "A. Author"
    assert floor == SetSpec(name="floor", path="embedded")
    assert p.seed == 4 and p.training_steps == build_parameters("smoke").training_steps  # --set, file, profile.


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("seed = ", "is not TOML"),
        ('profile = "fast"', "profile = 'fast' in"),
        ("sead = 1", "did you mean 'seed'"),
        ("[synthetic.a]\npath = 'x'", "no file or folder at"),
        ("[synthetic.a]\nfolder = 'x'", "'folder', which is none of path"),
    ],
)
def test_a_study_file_that_says_something_wrong_is_refused(tmp_path, content, sentence):
    (tmp_path / "study.toml").write_text(content)
    with pytest.raises(ParameterError, match=sentence):
        build_parameters(str(tmp_path / "study.toml"))


def test_a_profile_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(ParameterError, match="'mine' does not exist; choose one of .*smoke.*study file"):
        build_parameters("mine")


def test_shards_are_told_beside_the_study_file_and_with_a_comma_in_it_alone(tmp_path):
    (tmp_path / "sets").mkdir()
    for name in ("a-0.tar", "a-1.tar"):
        (tmp_path / "sets" / name).touch()
    (tmp_path / "mine.toml").write_text(
        "[synthetic.first]\npath = 'sets/a-{0..1}.tar'\n[synthetic.second]\npath = 'sets/a-{1,0}.tar'\n"
    )
    built = build_parameters(str(tmp_path / "mine.toml"))
    assert [each.path for each in built.synthetic] == [str(tmp_path / f"sets/a-{{{x}}}.tar") for x in ("0..1", "1,0")]
    dumped = built.model_dump(mode="json")["synthetic"]
    assert check(ReportParameters, {"synthetic": dumped}).synthetic == built.synthetic
    with pytest.raises(ParameterError, match="a path with , : or = needs a study file"):
        asked(f"second={tmp_path}/sets/a-{{1,0}}.tar")
    with pytest.raises(ParameterError, match="names 3 shards, of which .*a-2.tar"):
        asked(f"third={tmp_path}/sets/a-{{0..2}}.tar")


# Opening


def opened(path, labels, training=("Ann", "Ben", "Cem"), order=None):
    return open_given(SetSpec(name="x", path=str(path), labels=labels), training, order)


def test_credit_and_licence_go_with_a_set(own_set):
    given = {"authentic": str(own_set("authentic.zip", ["Ann", "Ben"])), "identity_order": "", "on_bad_image": "stop"}
    study = open_study(SimpleNamespace(**given))
    study.training = study.faces
    spec = SetSpec(name="x", path=str(own_set("set.zip", ["Cy", "Di"])), credit="Kim et al.", licence="MIT")
    found = study.open_set(spec)
    assert (found.name, found.credit, found.licence) == ("x", "Kim et al.", "MIT")


def test_authentic_labels_are_matched_by_name_whatever_their_numbers(own_set):
    found = opened(own_set("set.zip", ["Zoe", "Cem", "Ann"]), "authentic")
    assert [found.faces.identities[label] for label in found.faces.labels] == [
        *itertools.chain(*(2 * [name] for name in ("Zoe", "Cem", "Ann")))
    ]
    assert sorted(set(found.faces.labels.tolist())) == [0, 2, 3] and found.unmatched == ("Zoe",)


def test_equal_numbers_are_no_match_without_an_order(own_set, tmp_path):
    """A wrong match would look private, so that numbers against names are refused."""
    numbered = own_set("set", ["0", "1", "2"])
    with pytest.raises(
        InputError, match="'0', '1', '2', has the name of a training identity, such as 'Ann'.*identity_ord"
    ):
        opened(numbered, "authentic")
    (tmp_path / "order.txt").write_text("Cem\nAnn\nBen\n")
    found = opened(numbered, "authentic", order=tmp_path / "order.txt")
    numbers = [int(name.split("/")[0]) for name in found.faces.names]
    assert [("Cem", "Ann", "Ben")[number] for number in numbers] == [
        found.faces.identities[k] for k in found.faces.labels
    ]
    (tmp_path / "order.txt").write_text("Cem\nAnn\n")
    with pytest.raises(InputError, match="names classes 0 to 1.*has the class '2'"):
        opened(numbered, "authentic", order=tmp_path / "order.txt")


def test_own_labels_never_stand_for_training_identities(own_set):
    found = opened(own_set("set.zip", ["Ann", "Ben"]), "own")
    assert not found.by_label and found.unmatched == () and found.exposed


def test_without_labels_a_set_is_images_alone(own_set):
    found = opened(own_set("set.zip", ["Ann", "Ben"]), "none")
    assert found.faces.labels is None and len(found.faces) == 4 and found.faces[0][1] is None


@pytest.mark.parametrize(
    ("classes", "images", "sentence"),
    [(["Ann"], 3, "all its images are of one class"), (["Ann", "Ben"], 1, "no class of it has two images")],
)
def test_labels_that_compare_nothing_are_refused_with_the_remedy(own_set, classes, images, sentence):
    with pytest.raises(InputError, match=f"'x' has no identities to compare, as {sentence}; give it as x=.*:none"):
        opened(own_set("set.zip", classes, images), "own")


def test_a_set_without_labels_that_is_said_to_have_some_is_refused(tmp_path):
    path = write_faces(tmp_path / "set.zip", np.zeros((2, 3, 8, 8), np.uint8), None)
    with pytest.raises(InputError, match="the synthetic set 'x' has no labels; give it as x=.*:none"):
        opened(path, "own")


@pytest.fixture
def shares(tmp_path):
    """A folder as FFHQ's: file numbers run on through numbered folders, two images in each."""
    data = encode_png(np.zeros((3, 8, 8), np.uint8))
    for name in ("00000/00000", "00000/00001", "01000/01000", "01000/01001"):
        (tmp_path / "shares" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shares" / f"{name}.png").write_bytes(data)
    return tmp_path / "shares"


def test_numbered_folders_need_a_word_that_says_whether_they_are_identities(shares):
    with pytest.raises(InputError, match="'x': .*file numbers run on.*as x=.*:none if so, or as x=.*:folders if each"):
        opened(shares, "own")
    assert opened(shares, "none").faces.labels is None
    found = opened(shares, "folders")
    assert (found.labels, found.faces.identities) == ("own", ("00000", "01000"))
    matched = opened(shares, "authentic", training=("01000", "00000"))
    assert matched.faces.labels.tolist() == [1, 1, 0, 0] and matched.by_label


def test_the_word_folders_goes_before_what_else_tells_identities(tmp_path, shares):
    (shares / "metadata.csv").write_text(
        "file_name,identity\n00000/00000.png,Ann\n00000/00001.png,Ann\n01000/01000.png,Ann\n01000/01001.png,Ben\n"
    )
    assert opened(shares, "own").faces.identities == ("Ann", "Ben")
    assert opened(shares, "folders").faces.identities == ("00000", "01000")
    assert opened(shares, "authentic").faces.identities[:2] == ("Ann", "Ben")


def test_folders_are_asked_for_in_text_and_in_tables(shares):
    text = asked(f"x={shares}:folders:unexposed")
    assert [(each.labels, each.exposed) for each in text] == [("folders", False)]
    assert (
        check(ReportParameters, {"synthetic": [{"name": "x", "path": str(shares), "labels": "folders"}]}).model_dump(
            mode="json"
        )["synthetic"]
        == f"x={shares}:folders"
    )
    with pytest.raises(ParameterError, match="name=path"):
        asked(f"x={shares}:folders:own")


def test_text_tables_and_lists_are_read_alike():
    assert parse_sets("a=x:none") == [{"name": "a", "path": "x", "labels": "none"}]
    assert parse_sets({"a": {"path": "x"}}) == [{"name": "a", "path": "x"}]
    assert parse_sets([{"name": "a"}]) == [{"name": "a"}]


@pytest.mark.parametrize("labels", ["own", "authentic", "none"])
def test_images_of_a_given_set_that_cannot_be_decoded_are_skipped_where_asked(tmp_path, own_set, labels):
    """By the same rule in every notebook; labels of authentic identities stay those of their names."""
    authentic, given = own_set("authentic.zip", ("a", "b", "c")), own_set("given", ("a", "b", "c"))
    first = sorted(path for path in given.rglob("*.png"))[0]
    first.write_bytes(first.read_bytes()[:40])
    found = {}
    for rule in ("stop", "skip"):
        p = check(
            ReportParameters,
            {"authentic": str(authentic), "protocol": str(authentic), "verifier": str(authentic)}
            | {"synthetic": f"x={given}:{labels}", "on_bad_image": rule},
        )
        study = open_study(p)
        study.training = study.faces
        opened = study.open_set(p.synthetic[0])
        found[rule] = opened.faces
        assert opened.skipped == (rule == "skip")  # It is counted where the set's failures are told.
    assert len(found["stop"]) == 6 and len(found["skip"]) == 5
    if labels != "none":
        assert found["skip"].labels.tolist() == [0, 1, 1, 2, 2]
    assert len(found["skip"].load(size_px=8)) == 5


def test_a_set_takes_no_name_of_the_populations_own(tmp_path):
    """Else notebook 06 would compare it in that one's place."""
    with pytest.raises(ParameterError, match="synthetic: 'global' names an authentic set of the embedded population"):
        asked(f"global={tmp_path}")
    own = {"authentic": str(tmp_path), "protocol": str(tmp_path), "verifier": str(tmp_path)}
    assert asked(f"global={tmp_path}", **own)[0].name == "global"
