"""The lists that the five benchmarks are published with are known by their content and give the published folds."""

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
    with pytest.raises(ProtocolError, match="line 2: '2 a b' is not '0 or 1, file, file'"):
        read_protocol(tmp_path / "agedb_30_ann.txt")


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
