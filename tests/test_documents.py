"""The documents: every command that they name is one that the program takes, and every link leads somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from sface_lib.chapters.profiles import load_profile
from sface_lib.chapters.registry import ReportParameters
from sface_lib.cli import build_parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
PROGRAMS = (r"\.venv/bin/sface ", r"\.venv/bin/torchrun .* -m sface_lib\.cli ")
FIELDS = ReportParameters.model_fields


def commands(path: Path) -> list[str]:
    """Commands in the document's blocks of code, those of several lines joined, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return [re.sub(r"\s{2,}#.*", "", line).strip() for line in lines]


def anchors(path: Path) -> set[str]:
    """Ids that a document's headings have on its page."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def of_program(document: Path) -> list[str]:
    """Arguments of the program in each command that calls it."""
    found = (re.match(f"({'|'.join(PROGRAMS)})(.*)", line) for line in commands(document))
    return [match.group(2) for match in found if match]


def made_by(document: Path) -> list[dict[str, str]]:
    """Variables of each `make report` and `make lab`."""
    lines = [shlex.split(line) for line in commands(document) if re.match(r"make (report|lab)\b", line)]
    return [dict(word.split("=", 1) for word in words[2:]) for words in lines]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_taken_by_the_program(document):
    for line in of_program(document):
        arguments = build_parser().parse_args(shlex.split(line))
        for setting in getattr(arguments, "set", None) or ():
            assert setting.split("=")[0] in FIELDS, line
        assert load_profile(getattr(arguments, "profile", None) or "quick"), line


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_variable_of_make_is_a_parameter(document):
    makefile = (ROOT / "Makefile").read_text()
    handed_on = set(re.search(r"NAMES := (.*)", makefile)[1].split()) | set(
        re.search(r"NAMES \+= (.*)", makefile)[1].split()
    )
    for variables in made_by(document):
        profile = variables.pop("PROFILE", "quick")
        assert profile.endswith(".toml") or load_profile(profile)
        extra = [pair.split("=")[0] for pair in variables.pop("SET", "").split()]
        assert {name.lower() for name in variables} - {"from", "out"} <= handed_on
        assert {*extra, *(name.lower() for name in variables if name not in ("FROM", "OUT"))} <= FIELDS.keys()


def test_commands_are_found_at_all():
    assert sum(len(of_program(document)) for document in DOCUMENTS) > 20
    assert sum(len(made_by(document)) for document in DOCUMENTS) > 3


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere_and_no_command_is_left_unfinished(document):
    assert not [line for line in commands(document) if line.endswith(("...", "…"))]
    prose = re.sub(r"`[^`\n]*`", "", document.read_text())
    for address in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"\w+:", address):
            continue
        name, _, anchor = address.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), address
        assert not anchor or anchor in anchors(target), address
