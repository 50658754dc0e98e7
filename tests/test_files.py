"""Names that were recorded stay inside their folder, and what ships is what was shipped."""

import hashlib
import shutil
import subprocess
import sys

import pytest

from sface_lib.errors import InputError
from sface_lib.files import ASSETS, check_shipped, inside, read_json


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


READ = """
from sface_lib.attributes import open_classifier
from sface_lib.errors import InputError
from sface_lib.generators.stylegan2 import load_generator
from sface_lib.generators.shipped import SHIPPED_PATH
from sface_lib.population import VERIFIER_PATH, shipped_faces, shipped_truth
from sface_lib.population.nuisance import load_nuisance_regressor
from sface_lib.recognition import open_model

for read in (
    lambda: shipped_faces("balanced"),
    lambda: shipped_truth("control"),
    lambda: open_model(VERIFIER_PATH),
    load_nuisance_regressor,
    lambda: load_generator(SHIPPED_PATH),
    open_classifier,
):
    try:
        read()
    except InputError as error:
        print(error)
    else:
        print("was read")
"""


@pytest.mark.slow
def test_an_asset_of_one_wrong_byte_is_refused_when_it_is_read(tmp_path):
    """In a copy of the package, of which the last byte but two of every large file is flipped."""
    package = tmp_path / "sface_lib"
    shutil.copytree(ASSETS.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (package / "assets").rglob("*"):
        if path.suffix in (".safetensors", ".zip", ".parquet"):
            content = bytearray(path.read_bytes())
            content[-3] ^= 1
            path.write_bytes(bytes(content))
    answer = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, cwd=tmp_path)
    said = answer.stdout.splitlines()
    assert len(said) == 6, answer.stderr
    for line in said:
        assert line.startswith(str(package)) and "ships with the program and is damaged" in line
        assert line.endswith("install the package again, or restore the file by git")


def test_files_of_the_user_are_not_looked_up(tmp_path):
    (tmp_path / "own.zip").write_bytes(b"mine")
    assert check_shipped(tmp_path / "own.zip") == tmp_path / "own.zip"
