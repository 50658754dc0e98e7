"""Names of real people do not leave the machine unless asked."""

import tarfile
import zipfile

import pytest

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


def test_ten_thousand_names_are_withheld_in_a_second():
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
