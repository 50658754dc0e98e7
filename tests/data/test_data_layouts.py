"""Sets in the shapes that people have them: what is an identity, what is none, and what only the user can know."""

import json
import unicodedata
import warnings

import numpy as np
import pytest
from PIL import features

from sface_lib import cli
from sface_lib.data import Protocol, convert_set, open_bins, open_faces, read_selection, write_bin, write_selection
from sface_lib.data.decode import IMAGE_SUFFIXES
from sface_lib.data.filenames import may_be_image
from sface_lib.data.write import write_encoded, write_faces
from sface_lib.errors import FacesError, InputError, ParameterError, ProtocolError


def images_at(root, make, names, kind="PNG"):
    """A different small image at each name below a folder."""
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(make.encode(make.pixels_of(seed), kind))
    return root


def identities_of(faces):
    """Name of an image -> name of its identity."""
    return {name: faces.identities[label] for name, label in zip(faces.names, faces.labels, strict=True)}


# ---- images without identities --------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "crops/", "top/crops/", "train/crops/"])
@pytest.mark.parametrize("packed", [False, True])
def test_images_in_one_folder_or_in_none_are_an_unlabelled_set(tmp_path, make, below, packed):
    path = images_at(tmp_path / "set", make, [f"{below}1.png", f"{below}2.png"])
    faces = open_faces(make.pack_zip(path, tmp_path / "set.zip") if packed else path)
    assert (len(faces), faces.labels, faces.identities) == (2, None, ())
    assert [name.rpartition("/")[2] for name in faces.names] == ["1.png", "2.png"]
    with pytest.raises(InputError, match="has no labels, but identities are needed here.*a folder for each identity"):
        faces.require_classes("a report")


def test_images_directly_in_splits_are_an_unlabelled_set(tmp_path, make):
    faces = open_faces(images_at(tmp_path, make, ("train/1.png", "val/1.png")))
    assert faces.labels is None
    assert faces.names == ("train/1.png", "val/1.png")


def test_two_folders_are_two_identities(tmp_path, make):
    assert open_faces(images_at(tmp_path, make, ("a/1.png", "b/1.png"))).identities == ("a", "b")


def test_labels_none_takes_no_identities_from_any_layout(tmp_path, make):
    deep = images_at(tmp_path / "deep", make, ("a/1.png", "a/b/c/2.png", "3.png"))
    assert open_faces(deep, labels="none").names == ("3.png", "a/1.png", "a/b/c/2.png")
    written = write_faces(tmp_path / "set.zip", [make.pixels_of(0).transpose(2, 0, 1)] * 2, [0, 1])
    record = write_encoded(tmp_path / "set.rec", [make.encode(make.pixels_of(0))] * 2, [0, 1])
    for path in (deep, written, record):
        faces = open_faces(path, labels="none")
        assert (faces.labels, faces.identities) == (None, ())


def test_labels_folders_takes_one_folder_as_an_identity_and_needs_folders(tmp_path, make):
    faces = open_faces(images_at(tmp_path / "one", make, ("Ann/1.png", "Ann/2.png")), labels="folders")
    assert faces.identities == ("Ann",)
    with pytest.raises(FacesError, match=r"outside identity folders, e\.g\. '1\.png'"):
        open_faces(images_at(tmp_path / "loose", make, ("1.png",)), labels="folders")


def test_labels_is_one_of_three_words(folder):
    with pytest.raises(ParameterError, match=r'labels is "?\'folder\', but must be "auto", "folders" or "none"'):
        open_faces(folder, labels="folder")


def test_one_identity_survives_writing_a_folder(tmp_path, make):
    pixels = [make.pixels_of(seed).transpose(2, 0, 1) for seed in range(2)]
    faces = open_faces(write_faces(tmp_path / "set", pixels, [0, 0], ["Zoë Q"], ["a.png", "b.png"]))
    assert identities_of(faces) == {"Zoë Q/a.png": "Zoë Q", "Zoë Q/b.png": "Zoë Q"}


# ---- numbered folders -----------------------------------------------------------------------------------------


def numbered(first, count, size, width=5):
    """Names of images that are numbered through folders called by their first number."""
    numbers = range(first, first + count)
    return [f"{n // size * size:0{width}d}/{n:0{width}d}.png" for n in numbers]


@pytest.mark.parametrize(
    "names",
    [
        numbered(0, 40, 10),
        numbered(1990, 30, 1000),
        [f"images/{name}" for name in numbered(0, 40, 10)],
        [f"{n // 1000}/{n}.png" for n in range(0, 4000, 130)],
        [f"{n // 100:02d}/{n:06d}.png" for n in range(290, 330)],
        ["1/1.png", "1/7.png", "1001/1001.png", "1001/1300.png", "2001/2001.png"],
        ["train/00000/00000.png", "train/00000/00001.png", "val/01000/01000.png", "val/01000/01001.png"],
    ],
)
def test_numbered_folders_through_which_file_numbers_run_on_need_a_word(tmp_path, make, names):
    path = images_at(tmp_path, make, names)
    with pytest.raises(FacesError, match="labels=none if so, or labels=folders if each folder is one") as caught:
        open_faces(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert len(open_faces(path, labels="none")) == len(names)
    folders = {name.split("/")[-2] for name in names}
    assert set(open_faces(path, labels="folders").identities) == folders


def converted(sizes, first_label=0, first_key=1, label_width=7, key_width=8):
    """Names as a RecordIO set has them: keys run on through the labels."""
    labels = np.repeat(np.arange(first_label, first_label + len(sizes)), sizes)
    return [f"{label:0{label_width}d}/{key:0{key_width}d}.jpg" for key, label in enumerate(labels, first_key)]


@pytest.mark.parametrize(
    "names",
    [
        converted([5, 5, 5]),
        converted([3, 7, 2, 9]),
        converted([100, 100, 100]),
        converted([99, 100, 100]),
        converted([1, 1, 1, 4], first_label=1),
        converted([1, 1, 1], first_label=1, label_width=1, key_width=1),
        converted([100, 100], first_key=0),
        converted([100, 100, 100], label_width=1, key_width=1),
        converted([50, 50, 50], first_key=0, label_width=1, key_width=1),
        [f"{k}/{i}.png" for k in range(4) for i in range(3)],
        [f"{k:07d}/{i:08d}.png" for k in range(4) for i in range(120)],
        [f"{k}/{100 * k + i}.png" for k in range(3) for i in range(1, 4)],
        ["0/seed0.png", "1/seed100.png"],
        ["10/10.png", "10/25.png", "20/20.png", "20/21.png"],
        ["0/1.png", "Ann/2.png"],
        ["0/20200101123000123456789.png", "1/20200101123000123456790.png"],
    ],
)
def test_numbered_folders_of_identities_are_identities(tmp_path, make, names):
    path = tmp_path / "set"
    data = make.encode(make.pixels_of(0))
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    faces = open_faces(path)
    assert identities_of(faces) == {name: name.split("/")[0] for name in names}


# ---- splits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("splits", [("train", "val"), ("Train", "VALIDATION"), ("dev", "test"), ("valid", "train")])
def test_below_splits_an_identity_is_the_folder_of_an_image_and_one_in_all_splits(tmp_path, make, splits):
    one, other = splits
    names = [f"{one}/Ann/1.png", f"{one}/Bo/1.png", f"{other}/Ann/1.png", f"{other}/Cy/2.png"]
    faces = open_faces(images_at(tmp_path, make, [f"top/{name}" for name in names]))
    assert identities_of(faces) == {name: name.split("/")[1] for name in names}
    assert faces.identities == ("Ann", "Bo", "Cy")


def test_another_level_above_identities_is_refused_with_what_is_allowed(tmp_path, make):
    path = images_at(tmp_path, make, ["asian/Ann/1.png", "african/Bo/1.png"])
    with pytest.raises(FacesError, match="nests folders too deeply.*one level of train, val, test.*labels=none"):
        open_faces(path)


# ---- metadata.csv ---------------------------------------------------------------------------------------------


@pytest.fixture
def imagefolder(tmp_path, make):
    """Twelve images of four persons in two folders that are none."""
    names = [f"{i // 6:03d}/{i:04d}.png" for i in range(12)]
    images_at(tmp_path / "set", make, names)

    def with_table(column="identity", rows=None, lines=(), encoding="utf-8"):
        rows = [(name, f"person {i // 3}") for i, name in enumerate(names)] if rows is None else rows
        text = "\n".join([f"file_name,{column}", *(f"{name},{identity}" for name, identity in rows), *lines])
        (tmp_path / "set" / "metadata.csv").write_text(text + "\n", encoding=encoding)
        return tmp_path / "set"

    return with_table


@pytest.mark.parametrize("column", ["identity", "label", " label", "text,label"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_identities_come_from_the_metadata(imagefolder, column, encoding):
    rows = [(f"{i // 6:03d}/{i:04d}.png", ("a," if "," in column else "") + f"person {i // 3}") for i in range(12)]
    faces = open_faces(imagefolder(column, rows, encoding=encoding))
    assert identities_of(faces) == {f"{i // 6:03d}/{i:04d}.png": f"person {i // 3}" for i in range(12)}


def test_numbers_in_the_metadata_sort_like_numbers_and_identity_comes_before_label(imagefolder):
    faces = open_faces(imagefolder("label", [(f"{i // 6:03d}/{i:04d}.png", 30 - 2 * (i // 3)) for i in range(12)]))
    assert faces.identities == ("24", "26", "28", "30")
    assert faces.labels.tolist() == [3] * 3 + [2] * 3 + [1] * 3 + [0] * 3
    rows = [(f"{i // 6:03d}/{i:04d}.png", f"{i % 2},p{i // 6}") for i in range(12)]
    assert open_faces(imagefolder("label,identity", rows)).identities == ("p0", "p1")


@pytest.mark.parametrize("packed", [False, True])
def test_each_split_may_have_metadata_of_its_own(tmp_path, make, packed):
    path = images_at(tmp_path / "set", make, ["train/0.png", "train/1.png", "train/x/2.png", "test/0.png"])
    (path / "train" / "metadata.csv").write_text("file_name,label\n0.png,Ann\n1.png,Bo\nx/2.png,Ann\n")
    (path / "test" / "metadata.csv").write_text("file_name,label\n./0.png,Bo\n")
    faces = open_faces(make.pack_zip(path, tmp_path / "set.zip", "top/") if packed else path)
    found = {"train/0.png": "Ann", "train/1.png": "Bo", "train/x/2.png": "Ann", "test/0.png": "Bo"}
    assert identities_of(faces) == found


def test_metadata_without_identities_is_ignored(imagefolder):
    path = imagefolder("caption")
    assert open_faces(path).identities == ("000", "001")
    (path / "metadata.csv").write_text("name,label\nx,1\n")
    assert open_faces(path).identities == ("000", "001")
    (path / "metadata.csv").write_text("")
    assert open_faces(path).identities == ("000", "001")


def test_folders_or_dataset_json_may_be_taken_instead_of_the_metadata(imagefolder):
    path = imagefolder()
    assert open_faces(path, labels="folders").identities == ("000", "001")
    (path / "dataset.json").write_text(json.dumps({"labels": None}))
    assert open_faces(path).labels is None


GIVEN = [(f"{i // 6:03d}/{i:04d}.png", f"p{i // 3}") for i in range(12)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([*GIVEN, ("000/9999.png", "p1")], r"names '000/9999\.png', which is no image of the set \(1 in all\)"),
        (GIVEN[2:], r"has no row for '000/0000\.png' \(2 in all\)"),
        ([*GIVEN[1:], ("000/0000.png", "")], r"lacks a name or an identity in the row of '000/0000\.png'"),
        ([*GIVEN[:-1], ("001/0011.png",)], "lacks a name or an identity"),
        ([*GIVEN, GIVEN[0]], "names an image more than once"),
    ],
)
def test_metadata_that_does_not_fit_are_refused_with_the_reason(imagefolder, rows, words):
    path = imagefolder(rows=[])
    (path / "metadata.csv").write_text("\n".join(["file_name,identity", *(",".join(row) for row in rows)]))
    with pytest.raises(FacesError, match=words) as caught:
        open_faces(path)
    assert "metadata.csv" in str(caught.value) and str(path) in str(caught.value)
    assert len(open_faces(path, labels="folders").identities) == 2


def test_metadata_in_another_encoding_are_refused(imagefolder):
    path = imagefolder()
    (path / "metadata.csv").write_bytes("file_name,identity\n000/0000.png,Zoë\n".encode("utf-16"))
    with pytest.raises(FacesError, match=r"metadata\.csv' of .* cannot be read as CSV in UTF-8"):
        open_faces(path)


# ---- files that are not read ----------------------------------------------------------------------------------


def test_files_that_may_be_images_are_named_and_others_are_not(folder, capsys):
    for name in ("IMG_0001.HEIC", "no_ending", "x.jp2"):
        (folder / "Ann Lee" / name).write_bytes(b"?")
    for name in ("a.txt", "b.CSV", "c.json", "Thumbs.db", "d.lst", "e.idx", "f.npy", "g.html", "README", ".DS_Store"):
        (folder / "Ann Lee" / name).write_bytes(b"?")
    faces = open_faces(folder)
    assert len(faces) == 6
    assert faces.unread == ("Ann Lee/IMG_0001.HEIC", "Ann Lee/no_ending", "Ann Lee/x.jp2")
    assert cli.main(["data", "info", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "files not read: 3, e.g. 'Ann Lee/IMG_0001.HEIC', 'Ann Lee/no_ending', 'Ann Lee/x.jp2'\n" in said


def test_a_set_without_such_files_does_not_speak_of_them(folder, capsys):
    assert cli.main(["data", "info", str(folder)]) == 0
    assert "not read" not in capsys.readouterr().out


def test_a_set_of_unread_files_alone_is_refused_and_names_one(tmp_path):
    (tmp_path / "IMG_0001.HEIC").write_bytes(b"?")
    with pytest.raises(FacesError, match=r"holds no images .* but 1 files that are not read, e\.g\. 'IMG_0001\.HEIC'"):
        open_faces(tmp_path)


@pytest.mark.parametrize(("kind", "suffix"), [("TIFF", "tif"), ("TIFF", "TIFF"), ("GIF", "gif")])
def test_tiff_and_gif_are_images_of_a_set(tmp_path, make, kind, suffix):
    names = [f"{person}/1.{suffix}" for person in "ab"]
    faces = open_faces(images_at(tmp_path, make, names, kind))
    assert faces.names == tuple(names) and faces.unread == ()
    assert faces.load().shape == (2, 3, 12, 12)


def test_avif_is_read_or_counted_as_pillow_can():
    assert (".avif" in IMAGE_SUFFIXES) == bool(features.check("avif"))
    assert may_be_image("a.avif") == (not features.check("avif"))


def test_a_pillow_that_does_not_know_avif_is_no_warning(monkeypatch):
    from sface_lib.data import decode

    monkeypatch.setattr(features, "features", {})
    monkeypatch.setattr(features, "modules", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode._reads_avif() is False


def test_a_tiff_keeps_its_bytes_and_its_ending_when_it_is_converted(tmp_path, make):
    path = images_at(tmp_path / "set", make, ["a/1.tif", "b/1.tiff"], "TIFF")
    assert cli.main(["data", "convert", str(path), str(tmp_path / "copy")]) == 0
    assert open_faces(tmp_path / "copy").fingerprint == open_faces(path).fingerprint


# ---- names in Unicode's normal form ---------------------------------------------------------------------------

COMPOSED = "Zoë_Ångström"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.mark.parametrize("packed", [False, True])
def test_decomposed_and_composed_folders_are_the_same_set(tmp_path, make, packed):
    sets = []
    for name in (COMPOSED, DECOMPOSED):
        path = images_at(tmp_path / str(len(sets)), make, [f"{name}/1.png", f"{name}/é.png", "Zoz/1.png"])
        sets.append(open_faces(make.pack_zip(path, tmp_path / f"{len(sets)}.zip") if packed else path))
    one, other = sets
    assert COMPOSED != DECOMPOSED
    assert one.names == other.names and one.identities == other.identities == ("Zoz", COMPOSED)
    assert one.fingerprint == other.fingerprint
    assert (one.load() == other.load()).all()


def test_two_folders_that_are_equal_in_normal_form_are_one_identity(tmp_path, make):
    names = [f"{COMPOSED}/1.png", f"{DECOMPOSED}/2.png", f"{DECOMPOSED}/1.png", "Ben/1.png"]
    faces = open_faces(images_at(tmp_path, make, names))
    assert faces.identities == ("Ben", COMPOSED)
    assert faces.labels.tolist() == [0, 1, 1, 1]
    assert len(set(faces.names)) == 4
    assert faces.load().unique(dim=0).shape[0] == 4


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_pairs_find_images_in_either_form(tmp_path, make, form):
    faces = open_faces(images_at(tmp_path, make, [f"{DECOMPOSED}/1.png", f"{DECOMPOSED}/2.png", "Ben/1.png"]))
    person = unicodedata.normalize(form, COMPOSED)
    left, right = (f"{person}/1.png", f"{person}/1"), (f"{person}/2", "Ben/1.png")
    pairs = Protocol(left, right, np.array([True, False]), np.ones(2))
    left, right = pairs.resolve(faces)
    assert left.tolist() == [1, 1] and right.tolist() == [2, 0]
    with pytest.raises(ProtocolError, match="are not in"):
        Protocol(("Zoe/1.png",), ("Ben/1.png",), np.array([False]), np.ones(1)).resolve(faces)


def test_label_files_name_images_in_either_form(tmp_path, make):
    for form in ("NFC", "NFD"):
        path = images_at(tmp_path / form, make, [f"{DECOMPOSED}/1.png", "Ben/1.png"])
        person = unicodedata.normalize(form, COMPOSED)
        table = f"file_name,identity\n{person}/1.png,{person}\nBen/1.png,B\n"
        (path / "metadata.csv").write_text(table, encoding="utf-8")
        assert identities_of(open_faces(path)) == {f"{COMPOSED}/1.png": COMPOSED, "Ben/1.png": "B"}
        labels = {"labels": [[f"{person}/1.png", 0], ["Ben/1.png", 1]], "identities": [person, "B"]}
        (path / "dataset.json").write_text(json.dumps(labels))
        assert identities_of(open_faces(path)) == {f"{COMPOSED}/1.png": COMPOSED, "Ben/1.png": "B"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_images_of_several_bins_are_found_in_either_form(tmp_path, make, form):
    for name in (unicodedata.normalize(form, "é"), "b"):
        write_bin(tmp_path / f"{name}.bin", [make.encode(make.pixels_of(0))] * 4, [True, False])
    faces, protocols = open_bins(tmp_path)
    assert faces.names[:2] == ("b/00000000.jpg", "b/00000001.jpg") and faces.names[4] == "é/00000000.jpg"
    for pairs in protocols.values():
        assert len(pairs.resolve(faces)[0]) == 2


# ---- what the program writes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    "names",
    [
        ["00000/00000.png", "00000/00001.png", "01000/01000.png", "01000/01001.png"],
        ["train/1.png", "val/2.png"],
        ["only/1.png", "only/2.png"],
        ["a/1.png", "b/1.png"],
    ],
)
def test_a_folder_that_is_written_opens_as_what_was_written(tmp_path, make, names, labelled):
    path = images_at(tmp_path / "set", make, names)
    faces = open_faces(path, labels="folders" if labelled else "none")
    convert_set(faces, tmp_path / "copy")
    copy = open_faces(tmp_path / "copy")
    assert (copy.names, copy.identities, copy.fingerprint) == (faces.names, faces.identities, faces.fingerprint)


def test_no_file_of_labels_is_written_where_folders_tell_them(tmp_path, make):
    convert_set(images_at(tmp_path / "set", make, ["a/1.png", "b/1.png"]), tmp_path / "copy")
    assert not (tmp_path / "copy" / "dataset.json").exists()


def test_a_selection_is_that_of_the_set_as_it_was_opened(tmp_path, make):
    faces = open_faces(images_at(tmp_path / "set", make, numbered(0, 40, 10)), labels="none")
    part = faces.subset([30, 7, 12]).subset([2, 0])
    assert part.positions.tolist() == [12, 30]
    assert read_selection(write_selection(tmp_path / "a.csv", part), len(faces)).tolist() == [12, 30]


# ---- the command line -----------------------------------------------------------------------------------------


def test_the_command_line_takes_the_word(tmp_path, make, capsys):
    path = images_at(tmp_path / "set", make, numbered(0, 40, 10))
    assert cli.main(["data", "info", str(path)]) == 2
    assert "labels=none" in capsys.readouterr().err
    assert cli.main(["data", "info", str(path), "--labels", "none"]) == 0
    assert "identities: none, the set is unlabelled" in capsys.readouterr().out
    assert cli.main(["data", "info", str(path), "--labels", "folders"]) == 0
    assert "identities: 4" in capsys.readouterr().out
    assert cli.main(["data", "convert", str(path), str(tmp_path / "copy.zip"), "--labels", "none"]) == 0
    assert open_faces(tmp_path / "copy.zip").labels is None
