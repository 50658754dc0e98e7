"""Names of real people do not leave the machine unless asked."""

import tarfile
import unicodedata
import zipfile

import numpy as np
import pytest

from sface_lib.data import encode_png, write_encoded
from sface_lib.report.redaction import Redactor, collect_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann_Lee_0001.jpg", "[name withheld]_0001.jpg"),
        ("Ann Lee's face", "[name withheld]'s face"),
        ("Ann_Lee_Jr is longer", "[name withheld] is longer"),
        ("Ann Lees, XAnn_Lee", "Ann Lees, XAnn_Lee"),
        ("<b>José O'Neil</b>", "<b>[name withheld]</b>"),
        ("class 0001 and Al", "class 0001 and Al"),
        ("n000123/0001_01.jpg", "[name withheld]/0001_01.jpg"),
    ],
)
def test_names_are_withheld_as_whole_words_longest_first(text, expected):
    names = ["Ann_Lee", "Ann_Lee_Jr", "José O'Neil", "0001", "Al", "n000123", "..."]
    assert Redactor(names)(text) == expected


def test_of_ten_thousand_names_each_mention_is_withheld():
    redact = Redactor(f"First{i % 300}_Last{i}" for i in range(10_000))
    assert redact("First7_Last7 " * 5_000).count("withheld") == 5_000


def test_names_are_known_from_the_inputs_before_any_notebook_has_listed_them(tmp_path):
    (tmp_path / "folder" / "Ann_Lee").mkdir(parents=True)
    (tmp_path / "folder" / "Ann_Lee" / "1.jpg").write_text("")
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "folder" / "Ann_Lee", "lfw/Bea_Poe")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("Cy_Roe/1.jpg", "")
    (tmp_path / "pairs.txt").write_text("10\t300\nDan_Woe\t1\t4\nEve_Zoe\t1\tFay_Abe\t2\n")
    inputs = [tmp_path / name for name in ("folder", "set.tar", "set.zip", "pairs.txt")]
    assert {"Ann_Lee", "Bea_Poe", "Cy_Roe", "Dan_Woe", "Eve_Zoe", "Fay_Abe"} <= collect_names(inputs)


def test_names_within_parquet_webdataset_and_lmdb_are_known(tmp_path):
    lmdb, image = pytest.importorskip("lmdb"), encode_png(np.zeros((3, 4, 4), np.uint8))
    write_encoded(tmp_path / "a.parquet", [image], [0], ["Ann_Lee"], ["1.png"])
    write_encoded(tmp_path / "a.tar", [image], [0], ["Bea_Poe"], ["Cy_Roe_0001.png"])
    with lmdb.open(str(tmp_path / "lmdb")) as opened, opened.begin(write=True) as to:
        to.put(b"Dan_Woe/1.png", image)
    inputs = [tmp_path / name for name in ("a.parquet", "a.tar", "lmdb")]
    assert {"Ann_Lee", "Bea_Poe", "Cy_Roe", "Dan_Woe"} <= collect_names(inputs)


def test_names_in_lists_of_files_are_known_and_folders_of_a_protocol_are_none(tmp_path):
    (tmp_path / "pairs_CALFW.txt").write_text(
        "Ann_Lee_0001.jpg 1\nAnn_Lee_0002.jpg 1\nBea_0001.jpg 0\nCy_Roe_3.jpg 0\n"
    )
    (tmp_path / "ann.txt").write_text("1 agedb/Dan_Woe_1.jpg agedb/Dan_Woe_2.jpg\n")
    (tmp_path / "cfp" / "Protocol" / "Split").mkdir(parents=True)
    (tmp_path / "cfp" / "Protocol" / "Split" / "same.txt").write_text("1,2")
    names = collect_names(tmp_path / name for name in ("pairs_CALFW.txt", "ann.txt", "cfp"))
    assert {"Ann_Lee", "Bea", "Cy_Roe", "Dan_Woe"} <= names
    assert not {"Protocol", "Split"} & names


def test_names_below_a_common_folder_in_file_names_and_of_two_letters_are_known(tmp_path):
    (tmp_path / "set" / "lfw112" / "Ann_Lee").mkdir(parents=True)
    (tmp_path / "set" / "lfw112" / "王伟").mkdir()
    for name in ("Ann_Lee", "王伟"):
        (tmp_path / "set" / "lfw112" / name / "1.jpg").write_text("")
    with zipfile.ZipFile(tmp_path / "numbered.zip", "w") as archive:
        archive.writestr("00000\\Bea_Poe_0001.png", "")
        archive.writestr("00000\\img0002.png", "")
        archive.writestr("dataset.json", '{"labels": null}')
    names = collect_names([tmp_path / "set", tmp_path / "numbered.zip"])
    assert {"Ann_Lee", "王伟", "Bea_Poe"} <= names
    assert (
        Redactor(names)("image Bea_Poe_0001 of 王伟 in lfw112")
        == "image [name withheld]_0001 of [name withheld] in lfw112"
    )


def test_a_damaged_archive_has_no_names_and_is_no_error(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(__file__, "Ann_Lee/1.jpg")
    (tmp_path / "cut.tar").write_bytes((tmp_path / "set.tar").read_bytes()[:700])
    assert collect_names([tmp_path / "set.tar"]) >= {"Ann_Lee"} and collect_names([tmp_path / "cut.tar"]) == set()


def test_a_table_of_groups_withholds_its_identities_and_neither_columns_nor_groups(tmp_path):
    (tmp_path / "groups.csv").write_text("group,identity\nwomen,Ann_Lee\nAsian,Bea\n")
    assert collect_names([tmp_path / "groups.csv"]) == {"Ann_Lee", "Bea"}


def test_what_images_are_usually_called_is_no_name(tmp_path):
    (tmp_path / "pairs.txt").write_text("face_0001.jpg 1\nimg_2.png 1\nBea_0001.jpg 0\nimage3.jpg 0\n")
    redact = Redactor(collect_names([tmp_path / "pairs.txt"]))
    assert redact("The face in this image is that of Bea.") == "The face in this image is that of [name withheld]."


def test_names_are_withheld_in_either_of_unicodes_normal_forms(tmp_path):
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "Zoë_Ångström")
        (tmp_path / form / "00001").mkdir(parents=True)
        (tmp_path / form / "00001" / f"{name}_0001.jpg").write_text("")
        redact = Redactor(collect_names([tmp_path / form]))
        for shown in ("NFC", "NFD"):
            assert redact(unicodedata.normalize(shown, "Zoë Ångström smiles")) == "[name withheld] smiles"


def test_a_person_whose_folder_is_no_identity_is_withheld_and_a_split_is_not(tmp_path):
    for name in ("Ann_Lee/1.jpg",):
        (tmp_path / "one" / name).parent.mkdir(parents=True)
        (tmp_path / "one" / name).write_text("")
    for name in ("train", "test"):
        (tmp_path / "splits" / name).mkdir(parents=True)
        (tmp_path / "splits" / name / "1.jpg").write_text("")
    assert collect_names([tmp_path / "one", tmp_path / "splits"]) == {"Ann_Lee"}


def test_identities_of_a_metadata_table_and_of_a_list_of_records_are_known(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.jpg").write_text("")
    (folder / "metadata.csv").write_text("file_name,identity\n0.jpg,Ann Lee\n1.jpg,Bea Poe\n")
    record = write_encoded(tmp_path / "rec" / "file.rec", [encode_png(np.zeros((3, 8, 8), np.uint8))] * 2, [0, 0])
    (tmp_path / "rec" / "list.txt").write_text("1\tCy Roe\tx\n2\tDan Woe\tx\n")
    assert collect_names([folder, record]) == {"Ann Lee", "Bea Poe", "Cy Roe", "Dan Woe"}
