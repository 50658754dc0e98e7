"""`make report` hands every value on as it was given, and runs nothing of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile and a `sface` that prints its arguments."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    program = tmp_path / ".venv" / "bin" / "sface"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)
    (program.parent / "python").touch()
    (tmp_path / ".venv" / "installed").touch()
    return tmp_path


def arguments(checkout, *given: str) -> list[str]:
    """What `make report` with these values gives the program."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    done = subprocess.run(
        ["make", "-s", "report", *given], cwd=checkout, env=clean, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "value",
    [
        "a'b",
        "a$b",
        "a$(shell touch made)b",
        "$(touch made)",
        "`touch made`",
        'a"b',
        "a b",
        "a\\b",
        "a;touch made",
        "#x",
    ],
)
def test_a_value_arrives_as_it_is(checkout, value):
    assert arguments(checkout, f"AUTHENTIC={value}") == ["report", "--profile", "quick", "--set", f"authentic={value}"]
    assert arguments(checkout, f"PROFILE={value}") == ["report", "--profile", value]
    assert arguments(checkout, f"OUT={value}", f"FROM={value}")[3:] == ["--from", value, "--out", value]
    assert not (checkout / "made").exists()


def test_settings_are_separated_by_blanks_and_each_arrives_as_it_is(checkout):
    given = arguments(checkout, "SET=verifier=a'$b total_kimg=3;touch", "PROFILE=smoke; touch made")
    assert given == [
        "report",
        "--profile",
        "smoke; touch made",
        "--set",
        "verifier=a'$b",
        "--set",
        "total_kimg=3;touch",
    ]
    assert not (checkout / "made").exists()


def test_sets_and_unseen_faces_are_given_by_name(checkout):
    sets = "a=x.rec, b=y.zip:authentic, floor=embedded"
    given = arguments(checkout, f"SYNTHETIC={sets}", "CONTROL=c.rec", "HELD_OUT_SPLIT=0.2", "IDENTITY_ORDER=o.txt")
    settings = {given[i + 1] for i, word in enumerate(given) if word == "--set"}
    assert settings == {f"synthetic={sets}", "control=c.rec", "held_out_split=0.2", "identity_order=o.txt"}
