"""Verification .bin files of Python 2 and 3 are read, whatever else a pickle asks for is refused and never run."""

import os
import pickle
import struct

import numpy as np
import pytest
import torch
from sklearn.model_selection import KFold
from torch.utils.data import DataLoader

from sface_lib.data import holds_bins, open_bins, open_faces, read_protocol, write_bin
from sface_lib.data.verification import read_bin
from sface_lib.errors import BadImageError, FacesError, InputError, ProtocolError


@pytest.fixture
def files(make):
    """Six JPEG files that all differ, which make three pairs."""
    return [make.encode(make.pixels_of(seed), "JPEG", quality=95) for seed in range(6)]


SAME = [True, False, True]


def dumped(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def refused(path, words):
    with pytest.raises(FacesError, match=words) as caught:
        open_faces(path)
    assert str(path) in str(caught.value)
    with pytest.raises(ProtocolError, match=words):
        read_protocol(path)


# ---- what Python 2 wrote, opcode by opcode -----------------------------------------------------------------------


def python2_text(files, same):
    """Protocol 0: strings as escaped text, everything memoised."""
    strings = b"".join(b"S" + repr(file)[1:].encode() + b"\np%d\na" % n for n, file in enumerate(files, 3))
    truths = b"".join(b"I01\na" if truth else b"I00\na" for truth in same)
    return b"((lp1\n" + strings + b"(lp2\n" + truths + b"tp0\n."


def python2_binary(files, same):
    """Protocol 2: a tuple of two lists, strings with their length before them."""
    strings = b"".join(b"T" + struct.pack("<i", len(f)) + f + b"q" + bytes([n]) for n, f in enumerate(files, 3))
    truths = b"".join(b"\x88" if truth else b"\x89" for truth in same)
    return b"\x80\x02]q\x01(" + strings + b"e]q\x02(" + truths + b"e\x86q\x00."


def python2_arrays(files, same):
    """Protocol 2, images as OpenCV's encoder gave them: uint8 arrays [n, 1] of NumPy 1."""
    arrays = b"".join(
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + b"(K\x01M" + struct.pack("<H", len(file)) + b"K\x01\x86"
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89T" + struct.pack("<i", len(file)) + file + b"tb"
        for file in files
    )  # fmt: skip
    truths = b"".join(b"\x88" if truth else b"\x89" for truth in same)
    return b"\x80\x02](" + arrays + b"e](" + truths + b"e\x86."


@pytest.mark.parametrize("write", [python2_text, python2_binary, python2_arrays])
def test_files_of_python_2_are_read(tmp_path, files, write):
    path = tmp_path / "lfw.bin"
    path.write_bytes(write(files, SAME))
    images, same = read_bin(path)
    assert images == files
    assert same.tolist() == SAME
    assert len(open_faces(path)) == 6


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [bytes, bytearray, lambda f: np.frombuffer(f, np.uint8), "column", tuple])
def test_files_of_python_3_are_read_in_every_protocol(tmp_path, files, protocol, kind):
    if kind == "column":
        images = [np.frombuffer(file, np.uint8).reshape(-1, 1).copy() for file in files]
    else:
        images = tuple(files) if kind is tuple else [kind(file) for file in files]
    path = dumped(tmp_path / "lfw.bin", (images, SAME), protocol)
    found, same = read_bin(path)
    assert found == files
    assert same.tolist() == SAME


@pytest.mark.parametrize(
    "same",
    [[1, 0, 1], (True, False, True), np.array(SAME), np.array([1, 0, 1], np.uint8), list(np.array(SAME))],
)
def test_truths_may_be_numbers_arrays_and_scalars_of_numpy(tmp_path, files, same):
    found = read_bin(dumped(tmp_path / "lfw.bin", (files, same)))[1]
    assert found.tolist() == SAME
    assert found.dtype == bool


# ---- the set and its pairs ---------------------------------------------------------------------------------------


def test_a_bin_under_any_name_is_an_unlabelled_set(tmp_path, files, make):
    faces = open_faces(dumped(tmp_path / "faces.zip", (files, SAME)))
    assert faces.kind == "verification .bin"
    assert faces.names == tuple(f"0000000{i}.jpg" for i in range(6))
    assert faces.labels is None and faces.identities == ()
    assert [faces.encoded(i) for i in range(6)] == files
    assert faces[4][1] is None and faces.resolution == 12


def test_its_protocol_pairs_neighbours(tmp_path, files):
    path = dumped(tmp_path / "lfw.bin", (files, SAME))
    protocol = read_protocol(path)
    left, right = protocol.resolve(open_faces(path))
    assert (left.tolist(), right.tolist()) == ([0, 2, 4], [1, 3, 5])
    assert protocol.left[1] == "00000002.jpg"
    assert protocol.same.tolist() == SAME


@pytest.mark.parametrize("n_pairs", [10, 13, 60, 99])
def test_folds_are_those_of_an_unshuffled_kfold(tmp_path, files, n_pairs):
    protocol = read_protocol(dumped(tmp_path / "a.bin", ([files[0]] * 2 * n_pairs, [True] * n_pairs)))
    splits = KFold(n_splits=10, shuffle=False).split(np.zeros(n_pairs))
    for fold, (_, test) in enumerate(splits, 1):
        assert np.flatnonzero(protocol.fold == fold).tolist() == test.tolist()


def test_fewer_than_ten_pairs_are_a_fold_each(tmp_path, files):
    assert read_protocol(dumped(tmp_path / "a.bin", (files, SAME))).fold.tolist() == [1, 2, 3]


def test_a_set_survives_pickling_and_worker_processes_and_is_pickled_without_its_images(tmp_path, files):
    faces = open_faces(dumped(tmp_path / "lfw.bin", (files * 20, SAME * 20)))
    stored = pickle.dumps(faces)
    assert not any(file in stored for file in files)
    assert torch.equal(pickle.loads(stored).load(), faces.load())
    loader = DataLoader(faces, batch_size=7, num_workers=2, multiprocessing_context="fork", collate_fn=list)
    assert torch.equal(torch.stack([image for batch in loader for image, _ in batch]), faces.load())


def test_images_are_held_once(tmp_path, files):
    faces = open_faces(dumped(tmp_path / "lfw.bin", (files, SAME)))
    assert faces.encoded(3) is faces.encoded(3) is faces.subset([3]).encoded(0)


def test_an_image_that_cannot_be_decoded_is_listed(tmp_path, files):
    faces = open_faces(dumped(tmp_path / "lfw.bin", ([*files[:5], b"text"], SAME)))
    with pytest.raises(BadImageError, match=r"00000005\.jpg' \(not a JPEG"):
        faces.inspect()


# ---- what is refused ---------------------------------------------------------------------------------------------


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_a_program_is_refused_and_not_run(tmp_path, files, protocol):
    marker = tmp_path / "marker"
    for hostile in (Hostile(os.system, f"touch {marker}"), Hostile(exec, f"open({str(marker)!r}, 'w')")):
        for content in ((files, [hostile]), ([hostile, *files], SAME), ([hostile], [hostile])):
            path = dumped(tmp_path / "lfw.bin", content, protocol)
            refused(path, r"asks for \w+\.(system|exec), which no file of this kind needs; it was not opened")
    assert not marker.exists()


def test_a_pickle_within_a_pickle_stays_bytes(tmp_path, files):
    marker = tmp_path / "marker"
    inner = pickle.dumps(Hostile(os.system, f"touch {marker}"))
    path = dumped(tmp_path / "lfw.bin", ([inner, files[0]], [True]))
    assert open_faces(path).encoded(0) == inner
    refused(dumped(path, (files, [Hostile(pickle.loads, inner)])), "asks for _pickle.loads")
    assert not marker.exists()


@pytest.mark.parametrize("hidden", ["numpy.core.multiarray", "numpy.load", "numpy.ctypeslib", "builtins.getattr"])
def test_nothing_else_of_numpy_or_python_is_reached(tmp_path, hidden):
    module, name = hidden.rsplit(".", 1)
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"]\x86.")
    refused(path, f"asks for {hidden}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda f: (f[:5], SAME), "holds 5 images and 3 truths, but there must be two images for each truth"),
        (lambda f: (f[:4], SAME), "holds 4 images and 3 truths"),
        (lambda f: (f, SAME[:2]), "holds 6 images and 2 truths"),
        (lambda f: ([], []), "holds 0 images and 0 truths, .* and one at least"),
        (lambda f: (f,), r"not one of \(images, same\)"),
        (lambda f: (f, SAME, 1), r"not one of \(images, same\)"),
        (lambda f: {"images": f}, r"not one of \(images, same\)"),
        (lambda f: (dict(enumerate(f)), SAME), "holds a dict where a list of images must be"),
        (lambda f: (["a.jpg"] * 6, SAME), "holds a str where an image must be"),
        (lambda f: ([f] * 6, SAME), "holds a list where an image must be"),
        (lambda f: ([np.zeros((3, 4, 4), np.uint8)] * 6, SAME), r"holds an array \[3, 4, 4\] where an image must be"),
        (lambda f: ([np.zeros(9)] * 6, SAME), "no whole pickle of the kind expected .*neither bytes nor booleans"),
        (lambda f: (f, [1, 0, 2]), "must say of each pair whether it shows one person"),
        (lambda f: (f, ["yes"] * 3), "must say of each pair"),
        (lambda f: (f, None), "must say of each pair"),
        (lambda f: (f, np.array([1, 0, 2], np.uint8)), "must say of each pair"),
    ],
)
def test_a_pickle_of_something_else_is_refused_with_the_reason(tmp_path, files, content, words):
    refused(dumped(tmp_path / "lfw.bin", content(files)), words)


@pytest.mark.parametrize("shape", [b"U\x01xK\x01\x86", b"]", b"N", b"G@\x10\0\0\0\0\0\0\x85"])
def test_an_array_whose_shape_is_none_is_refused(tmp_path, files, shape):
    """Shapes ("x", 1), a list, None and a fraction, in a file that is right in all else."""
    data = python2_arrays(files[:2], [True])
    right = b"M" + struct.pack("<H", len(files[0])) + b"K\x01\x86"
    assert data.count(right) >= 1
    (tmp_path / "lfw.bin").write_bytes(data.replace(right, shape, 1))
    refused(tmp_path / "lfw.bin", "no whole pickle of the kind expected .*neither bytes nor booleans")


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.05])
@pytest.mark.parametrize("write", [python2_text, python2_binary, lambda f, s: pickle.dumps((f, s))])
def test_a_bin_that_was_cut_is_refused(tmp_path, files, write, keep):
    data = write(files, SAME)
    (tmp_path / "lfw.bin").write_bytes(data[: int(len(data) * keep)])
    refused(tmp_path / "lfw.bin", "no whole pickle of the kind expected")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "lfw.bin").write_bytes(b"")
    with pytest.raises(FacesError, match=r"is not an archive; give .* a RecordIO \.rec or a verification \.bin"):
        open_faces(tmp_path / "lfw.bin")
    with pytest.raises(ProtocolError, match="begins with ''"):
        read_protocol(tmp_path / "lfw.bin")


def test_a_tar_whose_first_name_begins_like_a_pickle_is_a_tar(tmp_path, make):
    make.fill(tmp_path / "set", {"((x": 1})
    assert open_faces(make.pack_tar(tmp_path / "set" / "((x", tmp_path / "a.tar", "((x/")).kind == "tar"


# ---- writing -----------------------------------------------------------------------------------------------------


def test_a_written_bin_is_a_plain_pickle_of_the_bytes(tmp_path, files):
    path = write_bin(tmp_path / "new" / "lfw.bin", files, SAME)
    assert pickle.loads(path.read_bytes(), encoding="bytes") == (files, SAME)
    assert [open_faces(path).encoded(i) for i in range(6)] == files


def test_pixels_come_back_exactly(tmp_path, make):
    images = np.stack([make.pixels_of(seed).transpose(2, 0, 1) for seed in range(2)])
    path = write_bin(tmp_path / "a.bin", torch.from_numpy(images), np.array([True]))
    np.testing.assert_array_equal(open_faces(path).load().numpy(), images)


def test_nothing_is_ever_overwritten(tmp_path, files):
    (tmp_path / "a.bin").write_text("precious")
    with pytest.raises(FacesError, match="exists already; remove it or give another path"):
        write_bin(tmp_path / "a.bin", files, SAME)
    assert (tmp_path / "a.bin").read_text() == "precious"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f[:5], "5 images and 3 truths are given; give two images for each truth"),
        (lambda f: [], "0 images and 3 truths"),
        (lambda f: [*f[:5], b"text"], "image 5 cannot be decoded"),
        (lambda f: [*f[:5], np.zeros((4, 4, 3), np.uint8)], r"image 5 is uint8 \[4, 4, 3\]"),
    ],
)
def test_input_that_is_not_as_described_is_refused_and_leaves_nothing(tmp_path, files, change, words):
    with pytest.raises(InputError, match=words):
        write_bin(tmp_path / "a.bin", change(files), SAME)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_bins_is_one_set_and_as_many_benchmarks(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 3, 16, 16), dtype=np.uint8)
    write_bin(tmp_path / "lfw.bin", images[:4], [True, False])
    write_bin(tmp_path / "cfp_fp.bin", images[4:], [False, True, True])
    (tmp_path / "notes.txt").write_text("no pairs")
    faces, protocols = open_bins(tmp_path)
    assert holds_bins(tmp_path) and list(protocols) == ["CFP-FP", "LFW"] and faces.labels is None and len(faces) == 10
    left, right = protocols["LFW"].resolve(faces)
    assert (faces.load(left) == torch.from_numpy(images[[0, 2]])).all()
    assert (faces.load(right) == torch.from_numpy(images[[1, 3]])).all()
    again = pickle.loads(pickle.dumps(faces))
    assert (again.load() == faces.load()).all() and again.fingerprint == faces.fingerprint


def test_one_bin_is_a_benchmark_by_its_name_and_other_files_are_none(tmp_path):
    path = write_bin(tmp_path / "agedb_30.bin", np.zeros((2, 3, 8, 8), np.uint8), [True])
    faces, protocols = open_bins(path)
    assert list(protocols) == ["AgeDB-30"] and protocols["AgeDB-30"].left == (faces.names[0],)
    (tmp_path / "other").mkdir()
    assert not holds_bins(tmp_path / "other")
