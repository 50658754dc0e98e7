"""Lists of pairs as they are published and handed on are known by their content; published folds are kept."""

import numpy as np
import pytest

from sface_lib.data import open_faces, read_protocol, write_encoded
from sface_lib.errors import ProtocolError


def cross_age(genuine: int, impostor: int) -> str:
    """As CALFW: all genuine pairs with the number of their fold, then all impostors with 0."""
    lines = []
    for pair in range(genuine):
        flag = 1 + pair * 10 // genuine
        lines += [f"Ann_Lee_{pair:04d}.jpg {flag}", f"Ann_Lee_{pair + 1:04d}.jpg {flag}"]
    for pair in range(impostor):
        lines += [f"Ann_Lee_{pair:04d}.jpg 0", f"Bo_{pair:04d}.jpg 0"]
    return "\n".join(lines) + "\n"


def test_calfw_and_cplfw_have_two_lines_a_pair_and_a_tenth_of_each_kind_a_fold(tmp_path):
    (tmp_path / "pairs_CALFW.txt").write_text(cross_age(20, 20))
    protocol = read_protocol(tmp_path / "pairs_CALFW.txt")
    assert (protocol.left[1], protocol.right[1]) == ("Ann_Lee/Ann_Lee_0001.jpg", "Ann_Lee/Ann_Lee_0002.jpg")
    assert (protocol.left[21], protocol.right[21]) == ("Ann_Lee/Ann_Lee_0001.jpg", "Bo/Bo_0001.jpg")
    assert protocol.same.tolist() == [True] * 20 + [False] * 20
    assert protocol.fold.tolist() == 2 * np.repeat(np.arange(1, 11), 2).tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A_1.jpg 1\nA_2.jpg 1\nA_3.jpg 1\n", "holds 3 images, an odd number, but a pair has two"),
        ("A_1.jpg 1\nA_2.jpg 0\n", "line 2: the pair's two lines have different flags"),
        ("A_1.jpg 1\nA_2.jpg\n", "line 2: 'A_2.jpg' is not 'file, flag'"),
    ],
)
def test_a_bad_line_of_two_is_named(tmp_path, text, words):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(ProtocolError, match=words):
        read_protocol(tmp_path / "p.txt")


def test_aligned_copies_list_truth_and_two_files_in_ten_folds(tmp_path):
    lines = [f"{pair % 2} agedb/{pair}_a.jpg agedb/{pair}_b.jpg" for pair in range(23)]
    (tmp_path / "agedb_30_ann.txt").write_text("\n".join(lines))
    protocol = read_protocol(tmp_path / "agedb_30_ann.txt")
    assert (protocol.left[5], protocol.right[5], protocol.same[5]) == ("agedb/5_a.jpg", "agedb/5_b.jpg", True)
    assert np.bincount(protocol.fold).tolist() == [0, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2]
    (tmp_path / "agedb_30_ann.txt").write_text("1 a b\n2 a b\n")
    with pytest.raises(ProtocolError, match="line 2: '2 a b' is not '1 or 0, file, file'"):
        read_protocol(tmp_path / "agedb_30_ann.txt")


SAME = [("Ann", 1, 2), ("Ann", 2, 3), ("Bo Li", 1, 2), ("Bo Li", 1, 3)]
OTHER = [("Ann", 1, "Bo Li", 1), ("Ann", 2, "Bo Li", 2), ("Ann", 3, "Cy", 1), ("Bo Li", 2, "Cy", 1)]
LFW_LEFT = ("Ann/Ann_0001", "Ann/Ann_0002", "Bo Li/Bo Li_0001", "Bo Li/Bo Li_0001") + (
    *("Ann/Ann_0001", "Ann/Ann_0002", "Ann/Ann_0003", "Bo Li/Bo Li_0002"),
)
LFW_RIGHT = ("Ann/Ann_0002", "Ann/Ann_0003", "Bo Li/Bo Li_0002", "Bo Li/Bo Li_0003") + (
    *("Bo Li/Bo Li_0001", "Bo Li/Bo Li_0002", "Cy/Cy_0001", "Cy/Cy_0001"),
)


def rows(separator: str, end: str = "") -> str:
    """The pairs above in LFW's form, genuine ones first."""
    return "".join(separator.join(map(str, row)) + (end if len(row) == 3 else "") + "\n" for row in SAME + OTHER)


@pytest.mark.parametrize(
    "text",
    [
        "name,imagenum1,imagenum2,\n" + rows(",", ","),  # Kaggle's pairs.csv.
        "name,imagenum1,imagenum2\n" + rows(","),
        rows("\t"),  # RFW's, and LFW's own after its first line.
        rows(", ").replace(" Li", "_Li"),
        rows(" ").replace(" Li", "_Li"),
        "4\n" + rows("\t"),  # pairsDevTest.txt.
    ],
)
def test_lfws_pairs_without_folds_are_read_whoever_hands_them_on(tmp_path, text):
    (tmp_path / "pairs").write_text(text)
    protocol = read_protocol(tmp_path / "pairs")
    left, right = (tuple(name.replace("_Li", " Li") for name in side) for side in (protocol.left, protocol.right))
    assert (left, right) == (LFW_LEFT, LFW_RIGHT)
    assert protocol.same.tolist() == [True] * 4 + [False] * 4
    assert protocol.fold.tolist() == [1, 2, 3, 4] * 2


def test_lfws_own_folds_come_back_from_its_pairs_alone(tmp_path):
    lines = []
    for fold in range(10):
        lines += [f"P{fold}\t1\t{n}" for n in range(2, 5)] + [f"P{fold}\t{n}\tQ{fold}\t1" for n in range(1, 4)]
    (tmp_path / "pairs.txt").write_text("10\t3\n" + "\n".join(lines))
    (tmp_path / "bare.txt").write_text("\n".join(lines))
    published, bare = read_protocol(tmp_path / "pairs.txt"), read_protocol(tmp_path / "bare.txt")
    assert (bare.left, bare.right) == (published.left, published.right)
    assert bare.fold.tolist() == published.fold.tolist() == np.repeat(np.arange(1, 11), 6).tolist()


def test_a_row_that_names_one_person_twice_is_genuine(tmp_path):
    (tmp_path / "pairs.csv").write_text("Ann,1,Ann,2\nAnn,1,Bo,1\n")
    assert read_protocol(tmp_path / "pairs.csv").same.tolist() == [True, False]


FILES = [("Ann/1.jpg", "Ann/2.jpg"), ("Bo/1.jpg", "Bo/2.jpg"), ("Ann/1.jpg", "Bo/1.jpg"), ("Ann/2.jpg", "Bo/2.jpg")]


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", "])
@pytest.mark.parametrize("impostor", ["0", "-1"])
@pytest.mark.parametrize("first", [True, False])
def test_flags_stand_first_or_last_between_spaces_tabs_or_commas(tmp_path, separator, impostor, first):
    flags = ["1", "1", impostor, impostor]
    lines = [separator.join((flag, *pair) if first else (*pair, flag)) for pair, flag in zip(FILES, flags, strict=True)]
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
    protocol = read_protocol(tmp_path / "pairs.txt")
    assert list(zip(protocol.left, protocol.right, strict=True)) == FILES
    assert protocol.same.tolist() == [True, True, False, False]
    assert protocol.fold.tolist() == [1, 2, 1, 2]


def test_a_csv_without_folds_is_cut_as_other_lists(tmp_path):
    lines = [f"{left},{right},{int(i < 2)}" for i, (left, right) in enumerate(FILES)]
    (tmp_path / "pairs.csv").write_text("left,right,same\n" + "\n".join(lines))
    assert read_protocol(tmp_path / "pairs.csv").fold.tolist() == [1, 2, 1, 2]


def test_files_that_are_called_as_flags_are_told_by_the_other_column(tmp_path):
    (tmp_path / "pairs.txt").write_text("1 a 1\n1 b 0\n")
    with pytest.raises(ProtocolError, match="does not show which column .*, the first or the last; give a CSV"):
        read_protocol(tmp_path / "pairs.txt")
    (tmp_path / "pairs.txt").write_text("1 a 1\n2 b 0\n")
    assert read_protocol(tmp_path / "pairs.txt").left == ("1", "2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 4 0\n1 5 0\n", "three whole numbers a line, which may be .*; give a CSV with the header left,right,same"),
        ("a.jpg b.jpg 1\na.jpg c.jpg 0\na.jpg c.jpg -1\n", "flags pairs by 0 and by -1; write 1 for one person"),
        ("a.jpg b.jpg 1\na.jpg c.jpg 2\n", "line 2: 'a.jpg c.jpg 2' is not 'file, file, 1 or 0'"),
        ("a.jpg b.jpg 1\na.jpg c.jpg 1\n", "holds genuine pairs alone; give one list with impostor pairs, too"),
        ("name,imagenum1,name,imagenum2\nAnn,1,Bo,1\n", "holds impostor pairs alone; give .* genuine pairs"),
        ("Ann,1,2\nAnn,1,Bo\n", "line 2: 'Ann,1,Bo' is not 'name, number, number' or 'name, number, name, number'"),
        ("2\nAnn\t1\t2\nAnn\t1\tBo\t2\n", "announces 2 x 2 pairs, but holds 2; get the whole file"),
    ],
)
def test_lists_that_leave_it_open_or_lack_a_kind_are_refused(tmp_path, text, words):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(ProtocolError, match=words):
        read_protocol(tmp_path / "p.txt")


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("people.txt", "2\n2\nAnn\t4\nBo Li\t1\n1\nCy\t3\n", "pairs.txt"),
        ("peopleDevTest.txt", "2\nAnn\t4\nBo\t1\n", "pairsDevTest.txt"),
        ("African_people.txt", "m.0c7mh2\t4\nm.0b7hp_\t3\n", "African_pairs.txt"),
        ("lfw_allnames.csv", "name,images\nAnn Lee,4\nBo,1\n", "pairs.txt"),
        ("names.txt", "Ann_Lee 4\nBo 1\n", "pairs.txt"),
    ],
)
def test_a_list_of_people_is_told_apart_and_the_list_of_pairs_named(tmp_path, name, text, wanted):
    (tmp_path / name).write_text(text)
    with pytest.raises(ProtocolError, match=rf"{name}' lists people .*, not pairs; give '{wanted}' instead"):
        read_protocol(tmp_path / name)


@pytest.fixture
def cfp(tmp_path):
    """CFP's folder with two persons and two folds."""
    root = tmp_path / "cfp-dataset"
    (root / "Protocol").mkdir(parents=True)
    for kind, folder in (("F", "frontal"), ("P", "profile")):
        rows = [f"{n} ../Data/Images/00{1 + (n > 2)}/{folder}/0{2 - n % 2}.jpg" for n in range(1, 5)]
        (root / "Protocol" / f"Pair_list_{kind}.txt").write_text("\n".join(rows) + "\n")
    for kind in ("FP", "FF"):
        for fold, same, diff in (("01", "1,2\n2,1\n", "1,3\n"), ("02", "3,4\n", "4,1\n")):
            place = root / "Protocol" / "Split" / kind / fold
            place.mkdir(parents=True)
            (place / "same.txt").write_text(same)
            (place / "diff.txt").write_text(diff)
    return root


def test_the_folder_of_cfp_pairs_frontal_with_profile_images(cfp):
    protocol = read_protocol(cfp)
    assert protocol.left == ("001/frontal/01.jpg", "001/frontal/02.jpg", "001/frontal/01.jpg") + (
        "002/frontal/01.jpg",
        "002/frontal/02.jpg",
    )
    assert protocol.right == ("001/profile/02.jpg", "001/profile/01.jpg", "002/profile/01.jpg") + (
        "002/profile/02.jpg",
        "001/profile/01.jpg",
    )
    assert protocol.same.tolist() == [True, True, False, True, False]
    assert protocol.fold.tolist() == [1, 1, 1, 2, 2]
    assert read_protocol(cfp / "Protocol" / "Split" / "FP").left == protocol.left


def test_the_frontal_pairs_of_cfp_are_asked_for_by_their_folder(cfp):
    protocol = read_protocol(cfp / "Protocol" / "Split" / "FF")
    assert protocol.right[0] == "001/frontal/02.jpg"


def test_a_labelled_zip_with_the_names_of_cfp_is_resolved(cfp, tmp_path, make):
    names = [f"00{p}/{kind}/0{n}.jpg" for p in (1, 2) for kind in ("frontal", "profile") for n in (1, 2)]
    files = [make.encode(make.pixels_of(n), "JPEG") for n in range(8)]
    faces = open_faces(write_encoded(tmp_path / "cfp.zip", files, [0] * 4 + [1] * 4, names=names))
    left, right = read_protocol(cfp).resolve(faces)
    assert left.tolist() == [0, 1, 0, 4, 5]
    assert right.tolist() == [3, 2, 6, 7, 2]


def test_a_line_of_cfp_that_names_no_image_is_named(cfp):
    (cfp / "Protocol" / "Split" / "FP" / "02" / "diff.txt").write_text("4,1\n4,9\n")
    with pytest.raises(ProtocolError, match=r"diff\.txt', line 2: '4,9' names an image that the lists lack"):
        read_protocol(cfp)


def test_a_folder_without_a_protocol_is_refused(tmp_path):
    with pytest.raises(ProtocolError, match=r"there is no Protocol/Split/FP/01/same\.txt, as CFP has; give"):
        read_protocol(tmp_path)
