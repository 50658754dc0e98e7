"""Names that were recorded stay inside their folder, and what ships is what was shipped."""

import hashlib
import shutil

import pytest

from sface_lib import files
from sface_lib.attributes import open_classifier
from sface_lib.errors import InputError
from sface_lib.files import ASSETS, check_shipped, inside, read_json
from sface_lib.generators.stylegan2 import load_generator
from sface_lib.population import VERIFIER_PATH, shipped, shipped_faces
from sface_lib.population.nuisance import REGRESSOR_PATH, load_nuisance_regressor
from sface_lib.recognition import open_model


@pytest.mark.parametrize("name", ["a", "a/b.txt", "a/../b", "..a", "a b"])
def test_a_relative_name_is_a_path_inside_the_folder(tmp_path, name):
    assert inside(tmp_path, name) == (tmp_path / name).resolve()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/../../x", "/etc/x", "a/..", None, 3, "a\\0b".replace("\\0", "\0")]
)
def test_any_other_name_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="is not a path inside the folder"):
        inside(tmp_path, name)


def test_an_absolute_name_is_refused_even_where_it_lies_inside(tmp_path):
    with pytest.raises(InputError, match="give a relative one"):
        inside(tmp_path, str(tmp_path / "a"))


def test_a_link_that_leads_out_is_followed_and_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is not a path inside"):
        inside(tmp_path / "run", "data/x")


def test_json_nested_without_end_is_bad_json(tmp_path):
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "x.json")


def test_every_asset_is_listed_with_its_hash():
    listed = dict(line.split(maxsplit=1)[::-1] for line in (ASSETS / "SHA256SUMS").read_text().splitlines())
    there = {str(path.relative_to(ASSETS)) for path in ASSETS.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert there == set(listed)
    for name, digest in listed.items():
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest, name


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A copy of what ships, in which the last byte but two of every large file is flipped."""
    folder = tmp_path / "assets"
    shutil.copytree(ASSETS, folder)
    for path in folder.rglob("*"):
        if path.suffix in (".safetensors", ".zip", ".parquet"):
            content = bytearray(path.read_bytes())
            content[-3] ^= 1
            path.write_bytes(bytes(content))
    monkeypatch.setattr(files, "ASSETS", folder.resolve())
    monkeypatch.setattr(shipped, "FOLDER", folder / "population")
    return folder


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: shipped_faces("balanced"),
        lambda folder: shipped.shipped_truth("control"),
        lambda folder: open_model(folder / "population" / VERIFIER_PATH.name),
        lambda folder: load_nuisance_regressor(folder / "population" / REGRESSOR_PATH.name),
        lambda folder: load_generator(folder / "generator" / "balanced-64.safetensors"),
        lambda folder: open_classifier(folder / "attributes" / "mac.safetensors"),
    ],
)
def test_an_asset_of_one_wrong_byte_is_refused_when_it_is_read(damaged, read):
    with pytest.raises(InputError, match="ships with the program and is damaged.*install the package again"):
        read(damaged)


def test_files_of_the_user_are_not_looked_up(tmp_path):
    (tmp_path / "own.zip").write_bytes(b"mine")
    assert check_shipped(tmp_path / "own.zip") == tmp_path / "own.zip"
