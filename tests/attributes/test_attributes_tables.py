"""Any table of annotations becomes one coding, and rows meet the images that they name."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sface_lib.attributes import ATTRIBUTES, read_annotations
from sface_lib.data import encode_png, open_faces
from sface_lib.errors import InputError
from sface_lib.population import shipped_faces, shipped_truth
from sface_lib.population.shipped import FOLDER

CELEBA_NAMES = """
5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair
Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup
High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline
Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace
Wearing_Necktie Young"""
CELEBA = CELEBA_NAMES.split()
NOT_IN_MAAD = {"Blurry", "Narrow_Eyes", "Pale_Skin", "Straight_Hair", "Wearing_Necklace"}


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "table.csv") -> Path:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


@pytest.fixture
def faces(tmp_path):
    """A set of the named images."""

    def make(*names: str):
        for i, name in enumerate(names):
            file = tmp_path / "set" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_png(np.full((3, 8, 8), i, np.uint8)))
        return open_faces(tmp_path / "set")

    return make


def column(table, name: str) -> list[int]:
    return table.values[:, table.names.index(name)].tolist()


# Forms


@pytest.mark.parametrize("header", ["Oval_Face,No_Eyewear,Male", "Oval Face,No Eyewear,Male"])
def test_maad_face_is_read_with_spaces_or_underscores_and_in_maad_faces_order(write, header):
    table = read_annotations(
        write(f"Filename,Identity,{header}\nn000002/0001_01.jpg,2,1,-1,0\nn000003/0001_01.jpg,3,0,1,-1\n")
    )
    assert table.keys == ("n000002/0001_01.jpg", "n000003/0001_01.jpg")
    assert table.names == ("Male", "Oval_Face", "No_Eyewear")
    assert table.values.dtype == np.int8 and table.values.tolist() == [[0, 1, -1], [-1, 0, 1]]


def test_all_of_maad_face_is_read(write):
    values = np.random.default_rng(0).integers(-1, 2, (3, 47))
    rows = [f"n{i:06}/{i:04}_01.jpg,{i}," + ",".join(map(str, row)) for i, row in enumerate(values)]
    table = read_annotations(write("\n".join([",".join(("Filename", "Identity", *ATTRIBUTES)), *rows])))
    assert table.names == ATTRIBUTES
    np.testing.assert_array_equal(table.values, values)


def celeba_text(*rows: dict[str, int]) -> str:
    """CelebA's layout: the number of images, the names, and rows whose numbers take two places."""
    lines = [f"{i:06}.jpg " + " ".join(f"{row.get(n, -1):2}" for n in CELEBA) for i, row in enumerate(rows, start=1)]
    return "\n".join([str(len(rows)), " ".join(CELEBA) + " ", *(line + " " for line in lines)]) + "\n"


def test_celebas_own_file_is_read_under_maad_faces_names(write):
    table = read_annotations(
        write(
            celeba_text({"Male": 1, "Mouth_Slightly_Open": 1, "Blurry": 1}, {"Eyeglasses": 1}), "list_attr_celeba.txt"
        )
    )
    assert table.keys == ("000001.jpg", "000002.jpg")
    assert column(table, "Male") == [1, -1]
    assert column(table, "Mouth_Closed") == [-1, 1]  # An open mouth is no closed one.
    assert column(table, "Eyeglasses") == [-1, 1] and column(table, "No_Eyewear") == [1, -1]
    # Every other value of the file was -1.
    assert (table.values == 1).sum() == 4


def test_each_of_celebas_40_names_is_mapped_or_left_out(write):
    assert len(CELEBA) == 40
    expected = set(CELEBA) - NOT_IN_MAAD - {"Mouth_Slightly_Open"} | {"Mouth_Closed"}
    assert len(expected) == 35 and expected <= set(ATTRIBUTES)
    table = read_annotations(write(celeba_text({}), "list_attr_celeba.txt"))
    assert table.names == tuple(name for name in ATTRIBUTES if name in expected | {"No_Eyewear"})


def test_celeba_as_a_csv_is_the_same_table(write):
    text = celeba_text({"Mouth_Slightly_Open": 1, "Young": 1}, {"Eyeglasses": 1, "Pale_Skin": 1})
    own = read_annotations(write(text, "list_attr_celeba.txt"))
    _, _, *rows = text.splitlines()
    csv = "\n".join([",".join(["image_id", *CELEBA]), *(",".join(row.split()) for row in rows)])
    other = read_annotations(write(csv))
    assert (own.keys, own.names) == (other.keys, other.names)
    np.testing.assert_array_equal(own.values, other.values)


def test_what_celeba_leaves_undefined_stays_so(write):
    table = read_annotations(write("image_id,Blurry,Eyeglasses,Mouth_Slightly_Open\na.jpg,1,0,0\n"))
    assert table.names == ("Mouth_Closed", "No_Eyewear", "Eyeglasses") and table.values.tolist() == [[0, 0, 0]]


def test_eyeglasses_alone_are_no_word_about_other_eyewear(write):
    """Sunglasses are eyewear too: outside CelebA nothing is made up."""
    assert read_annotations(write("name,Eyeglasses\na.jpg,-1\n")).names == ("Eyeglasses",)


@pytest.mark.parametrize("key", ["name", "Filename", "filename", "image_id", "image"])
def test_a_table_of_ones_own_names_its_images_in_any_of_these_columns(write, key):
    table = read_annotations(write(f"Smiling,{key},Male\n1,a/0.png,-1\n-1,a/1.png,1.0\n"))
    assert (table.keys, table.names) == (("a/0.png", "a/1.png"), ("Male", "Smiling"))
    assert table.values.tolist() == [[-1, 1], [1, -1]]


def test_a_parquet_table_may_hold_more(tmp_path):
    columns = {"Bald": [-1, 0], "years": [31.5, 60.0], "name": ["a/0", "a/1"], "expression": ["laugh", "talk"]}
    pd.DataFrame(columns).to_parquet(tmp_path / "truth.parquet")
    table = read_annotations(tmp_path / "truth.parquet")
    assert (table.keys, table.names, table.values.tolist()) == (("a/0", "a/1"), ("Bald",), [[-1], [0]])


def test_the_rendered_populations_truth_fits_its_set():
    positions, values = read_annotations(FOLDER / "global.parquet").of(shipped_faces("global"))
    truth = shipped_truth("global")
    np.testing.assert_array_equal(positions, np.arange(len(truth)))
    np.testing.assert_array_equal(values, truth[list(ATTRIBUTES)])


# Refusals of tables


def test_unknown_columns_of_a_csv_are_named_with_near_ones(write):
    path = write("name,Male,Eye_glasses,Zebra\na.jpg,1,1,1\n")
    with pytest.raises(InputError, match=r"table.csv' names 'Eye_glasses' \(did you mean Eyeglasses\?\), 'Zebra', not"):
        read_annotations(path)


@pytest.mark.parametrize(("value", "said"), [("2", "'2'"), ("yes", "'yes'"), ("", "nan"), ("0.5", "'0.5'")])
def test_a_value_that_codes_nothing_is_named_with_its_image(write, value, said):
    path = write(f"name,Male,Bald\na/0.png,1,-1\na/1.png,1,{value}\na/2.png,1,{value}\n")
    with pytest.raises(InputError, match=rf"Bald of 'a/1.png' is {said}; .* 0 \(undefined\) \(2 values are not\)"):
        read_annotations(path)


def test_a_wrong_value_of_celebas_is_named_with_its_image(write):
    path = write(celeba_text({}, {"Wavy_Hair": 7}), "list_attr_celeba.txt")
    with pytest.raises(InputError, match="Wavy_Hair of '000002.jpg' is '7'"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,Male\na.jpg,1\n", "no column that names the image; call it one of name, Filename"),
        ("name,Male\n", "holds 0 rows and 1 attributes"),
        ("Filename,Identity\na.jpg,4\n", "holds 1 rows and 0 attributes"),
        ("", "cannot be read as a table"),
        ("name,Male\na.jpg,1\nb.jpg,1,1,1\n", "cannot be read as a table: .*line 3"),
    ],
)
def test_what_is_no_table_of_annotations_is_refused(write, text, message):
    with pytest.raises(InputError, match=message):
        read_annotations(write(text))


def test_a_table_coded_0_and_1_is_told_so_and_how_to_recode_it(write):
    """CelebA's, too, of which a mouth slightly open becomes the opposite of a closed one."""
    said = r"table\.csv' seems coded 0/1: .* undefined instead of absent .*; recode its attributes as 2 \* x - 1"
    rows = "1.jpg,1,0,1,0\n2.jpg,0,1,0,1\n"
    for header in ("name,Male,Young,Smiling,Eyeglasses", "image_id,Male,Mouth_Slightly_Open,Smiling,Eyeglasses"):
        with pytest.raises(InputError, match=said):
            read_annotations(write(f"{header}\n{rows}"))
    text = celeba_text({"Male": 1, "Mouth_Slightly_Open": 1}, {"Eyeglasses": 1}).replace("-1", " 0")
    with pytest.raises(InputError, match=r"list\.txt' seems coded 0/1"):
        read_annotations(write(text, "list.txt"))
    undefined = read_annotations(write("name,Male,Young\n1.jpg,1,0\n2.jpg,0,-1\n"))
    assert undefined.values.tolist() == [[1, 0], [0, -1]]


def test_files_that_are_not_there_or_not_text_are_refused(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(InputError, match=f"no file at '.*{name}'"):
            read_annotations(tmp_path / name)
    for name in ("bytes.csv", "bytes.parquet"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00\x81" * 9)
        with pytest.raises(InputError, match=f"{name}' cannot be read as a table"):
            read_annotations(tmp_path / name)


# Rows and images


@pytest.mark.parametrize(
    "keys",
    [
        ("b/1.png", "a/0.png", "a/2.png"),
        ("1.jpg", "0.jpg", "2.jpg"),
        ("b/1", "0", "a/2.png"),
        ("b\\1.png", "./a/0.png", " a/2.png"),
    ],
)
def test_images_are_found_by_name_or_its_end_with_or_without_suffix(write, faces, keys):
    table = read_annotations(write("name,Male,Bald\n" + "\n".join(f"{k},{i - 1},1" for i, k in enumerate(keys))))
    positions, values = table.of(faces("a/0.png", "a/2.png", "b/1.png"))
    assert positions.dtype == np.int64 and positions.tolist() == [0, 1, 2]
    assert values.dtype == np.int8 and values.tolist() == [[0, 1], [1, 1], [-1, 1]]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_images_are_found_in_either_of_unicodes_normal_forms(write, faces, form):
    set_of, listed = (unicodedata.normalize(each, "Zoë/é.png") for each in ("NFD", form))
    table = read_annotations(write(f"name,Male\n{listed},1\na/b.png,-1\n"))
    assert table.of(faces(set_of, "a/b.png"))[1].tolist() == [[1], [-1]]


def test_images_in_one_folder_or_in_none_are_found(write, faces):
    table = read_annotations(write("2\nMale Young\n000001.jpg 1 -1\n000002.jpg -1 1\n", "list.txt"))
    found = faces("img_align_celeba/000001.jpg", "img_align_celeba/000002.jpg")
    assert found.labels is None and column(table, "Male") == table.of(found)[1][:, 0].tolist() == [1, -1]


def test_the_whole_name_goes_before_its_end(write, faces):
    table = read_annotations(write("name,Male\n0.png,-1\na/0.png,1\n"))
    assert table.of(faces("a/0.png"))[1].tolist() == [[1]]


def test_images_without_a_row_are_refused_or_left_out(write, faces):
    table = read_annotations(write("name,Male\na/0.png,1\nc/7.png,1\nc/8.png,1\nb/0.png,-1\n"))
    pictures = faces("a/0.png", "a/1.png", "b/0.png", "b/1.png")
    with pytest.raises(
        InputError, match=r"2 images of .* have no row .* \(the first is 'a/1.png'\), and 2 rows have no image"
    ):
        table.of(pictures)
    positions, values = table.of(pictures, missing="skip")
    assert positions.tolist() == [0, 2] and values.tolist() == [[1], [-1]]


def test_rows_without_an_image_do_no_harm(write, faces):
    table = read_annotations(write("name,Male\nz/9.png,1\na/0.png,-1\n"))
    assert table.of(faces("a/0.png"))[1].tolist() == [[-1]]


def test_a_table_of_another_set_is_refused_whatever_is_asked(write, faces):
    table, pictures = read_annotations(write("name,Male\nn01/5.jpg,1\n")), faces("a/0.png")
    for missing in ("stop", "skip"):
        with pytest.raises(InputError, match="annotates no image of .* it names 'n01/5.jpg', the set 'a/0.png'"):
            table.of(pictures, missing)


@pytest.mark.parametrize("again", ["a/0.png", "a/0.jpg", "a/0"])
def test_an_image_named_twice_is_refused(write, faces, again):
    table = read_annotations(write(f"name,Male\na/0.png,1\na/1.png,1\n{again},-1\n"))
    with pytest.raises(InputError, match=f"names '{again}' twice; give each image one row"):
        table.of(faces("a/0.png", "a/1.png"))


def test_a_row_that_fits_images_of_two_identities_is_refused(write, faces):
    """VGGFace2 has a 0001_01.jpg of every identity: one row must not become the annotation of all of them."""
    table = read_annotations(write("name,Male\n0001_01.jpg,1\n"))
    with pytest.raises(InputError, match="0001_01.jpg"):
        table.of(faces("n000002/0001_01.png", "n000003/0001_01.png"))


def test_dots_in_names_without_suffix_are_not_suffixes(write, faces):
    table = read_annotations(write("name,Male\na/at_1.5,1\na/at_1.6,-1\n"))
    assert table.of(faces("a/at_1.5.png", "a/at_1.6.png"))[1].tolist() == [[1], [-1]]


def test_a_row_without_a_name_is_refused(write, faces):
    with pytest.raises(InputError, match="table.csv"):
        read_annotations(write("name,Male\n,1\na/0.png,1\n")).of(faces("a/0.png"))


def test_rows_with_more_fields_than_names_are_refused(write):
    """Else the first column goes for an index, and values take the place of names."""
    with pytest.raises(InputError, match="table.csv"):
        read_annotations(write("name,Male\na.jpg,1,1\nb.jpg,-1,1\n"))


def test_a_column_that_stands_twice_is_refused(write):
    with pytest.raises(InputError, match="Oval_Face"):
        read_annotations(write("name,Oval Face,Oval_Face\na.jpg,1,-1\n"))


def test_no_column_of_a_csv_is_dropped_in_silence(write):
    """An open mouth is one also where the table has no column that CelebA alone has."""
    table = read_annotations(write("name,Male,Mouth_Slightly_Open\na.jpg,1,1\n"))
    assert table.names == ("Male", "Mouth_Closed") and table.values.tolist() == [[1, -1]]
