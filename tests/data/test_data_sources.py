"""What is no set of faces, or a damaged or unsafe one, is refused with one sentence."""

import io
import tarfile
import zipfile

import pytest

from sface_lib.data import open_faces
from sface_lib.data.sources import PlainTar, open_source
from sface_lib.errors import BadImageError, FacesError


def refused(path, words):
    with pytest.raises(FacesError, match=words) as caught:
        open_faces(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    refused(tmp_path / "nothing", "does not exist; give a folder, a zip or a tar")


def test_an_empty_folder_is_refused(tmp_path):
    refused(tmp_path, "holds no images .* allowed are <identity>/<image>")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 300, b"x" * 2000])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "faces.zip").write_bytes(content)
    refused(tmp_path / "faces.zip", "is not an archive; give a folder, a zip or a tar")


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.1])
@pytest.mark.parametrize("mode", ["zip", "w", "w:gz", "w:xz"])
def test_an_archive_cut_anywhere_is_refused(folder, tmp_path, make, mode, keep):
    path = tmp_path / "set"
    make.pack_zip(folder, path) if mode == "zip" else make.pack_tar(folder, path, mode=mode)
    if mode == "w":  # Python pads a tar with zeros to 10 KiB; a cut in there loses nothing.
        path.write_bytes(path.read_bytes().rstrip(b"\0"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    refused(path, "damaged or incomplete archive; copy or download it again")


def test_a_tar_cut_between_two_members_is_refused(folder, tmp_path, make):
    path = make.pack_tar(folder, tmp_path / "set")
    with tarfile.open(path) as archive:
        cut = archive.getmembers()[-1].offset
    path.write_bytes(path.read_bytes()[:cut])
    refused(path, "damaged or incomplete")


def test_a_tar_with_a_damaged_header_is_refused(folder, tmp_path, make):
    path = make.pack_tar(folder, tmp_path / "set")
    with tarfile.open(path) as archive:
        place = archive.getmembers()[4].offset
    data = bytearray(path.read_bytes())
    data[place : place + 20] = b"\xff" * 20
    path.write_bytes(data)
    refused(path, "damaged or incomplete")


def test_an_encrypted_zip_is_refused(folder, tmp_path, make):
    path = make.pack_zip(folder, tmp_path / "set.zip")
    data = bytearray(path.read_bytes())
    # The first bit of the flags marks encryption, in the members' headers and in the directory.
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(magic)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(magic, place + 4)
    path.write_bytes(data)
    refused(path, "is an encrypted zip; decrypt it")


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png"])
def test_a_zip_member_outside_the_archive_is_refused_and_never_written(tmp_path, make, name):
    path = tmp_path / "in" / "set.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/0.png", make.encode(make.pixels_of(0)))
        archive.writestr(name, make.encode(make.pixels_of(0)))
    refused(path, "points outside it")
    assert [file.name for file in tmp_path.rglob("*.png")] == []


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png"])
def test_a_tar_member_outside_the_archive_is_refused(tmp_path, make, name):
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        data = make.encode(make.pixels_of(0))
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    refused(path, "points outside it")


def test_links_in_a_tar_lead_to_members_and_never_outside(tmp_path, make):
    make.fill(tmp_path / "set", {"a": 1})
    (tmp_path / "set" / "a" / "soft.png").symlink_to("0.png")
    (tmp_path / "set" / "a" / "hard.png").hardlink_to(tmp_path / "set" / "a" / "0.png")
    (tmp_path / "secret.png").write_bytes(make.encode(make.pixels_of(5)))
    (tmp_path / "set" / "a" / "out.png").symlink_to(tmp_path / "secret.png")
    faces = open_faces(make.pack_tar(tmp_path / "set", tmp_path / "set.tar", "top/"))
    assert faces.names == ("a/0.png", "a/hard.png", "a/out.png", "a/soft.png")
    assert faces.load([0, 1, 3]).unique(dim=0).shape[0] == 1
    with pytest.raises(BadImageError, match=r"a/out\.png"):
        faces[2]


def test_a_zip_with_backslashes_as_separators_works(tmp_path, make):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a\\0.png", make.encode(make.pixels_of(0)))
    assert open_faces(tmp_path / "set.zip").names == ("a/0.png",)


def test_an_identity_folder_that_cannot_be_listed_is_an_error_and_not_a_gap(folder, monkeypatch):
    import os

    scandir = os.scandir

    def forbid(path):
        if str(path).endswith("Ann Lee"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbid)  # Tests may run as root, whom no permission stops.
    refused(folder, "cannot be read .*check the disk and your permissions")


def test_a_damaged_labels_file_in_a_zip_is_refused(tmp_path, make):
    make.fill(tmp_path / "set", {"a": 1})
    (tmp_path / "set" / "dataset.json").write_text('{"labels": [["a/0.png", 0]]}')
    path = make.pack_zip(tmp_path / "set", tmp_path / "set.zip")
    path.write_bytes(path.read_bytes().replace(b'"labels"', b'"lobels"'))  # Its checksum no longer fits.
    refused(path, r"dataset\.json of .* is not valid JSON")


def test_a_tar_whose_first_name_begins_like_a_zip_is_a_tar(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(__file__, "PK_Rao/1.jpg")
    assert open_source(tmp_path / "a.tar").members == ("PK_Rao/1.jpg",)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("everywhere", [{}, {"comment": "of all"}])
def test_a_tar_is_walked_as_tarfile_lists_it(tmp_path, form, everywhere):
    """Names of all lengths and letters, folders, links and empty files, in each format of headers."""
    path, names = tmp_path / "set.tar", ["a.jpg", "b/" + 30 * "c" + ".jpg", 30 * "long/" + "d.jpg", "Jos\u00e9.jpg"]
    with tarfile.open(
        path, "w", format=form, pax_headers=everywhere if form == tarfile.PAX_FORMAT else None
    ) as archive:
        for i, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = 511 * i
            archive.addfile(member, io.BytesIO(bytes(member.size)))
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = tarfile.TarInfo(f"other-{kind.decode()}")
            member.type, member.linkname = kind, "a.jpg" if kind != tarfile.DIRTYPE else ""
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("last.jpg"), io.BytesIO())
    with tarfile.open(path) as archive:
        expected = [(m.name, m.type, m.size, m.offset_data, m.linkname) for m in archive]
    assert [(m.name, m.type, m.size, m.offset_data, m.linkname) for m in PlainTar(path).walk()] == expected
