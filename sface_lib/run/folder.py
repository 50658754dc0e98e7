"""The folder of one run: where things lie in it, who holds it, and how far it has come."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from sface_lib.errors import InputError, RunError
from sface_lib.files import inside, read_json, sha256_of_file, sha256_of_json, write_json

SCHEMA_VERSION = 1
RECORD_VERSION = 3  # Of what `Stage.finish` writes.
RECORD_PARTS = ("parameters", "results", "made_from", "outputs", "machine")
EMBEDDINGS = "work/embeddings"  # Of faces, which are biometric data: they go with the end of the run.
HANDED_OVER = ("data/", "weights/")  # Folders of what a stage writes for others.
STATES = ("not run", "running", "done", "reused", "failed", "interrupted")


@dataclass
class StageStatus:
    """How one stage stands.

    Attributes
    ----------
    state
        One of `STATES`.
    key, record
        Key of the finished execution whose files lie in the folder, and the SHA-256 of its record; they outlive a
        state "not run", so that nothing computed is lost when an earlier stage fails.
    seconds
        How long computing took, also where it was reused.
    reason, cell
        Why the stage failed or was left out, and the index of the cell in the executed notebook.
    reused_from
        Name of the run folder that the files were taken over from.
    """

    state: str = "not run"
    key: str | None = None
    record: str | None = None
    seconds: float | None = None
    reason: str | None = None
    cell: int | None = None
    reused_from: str | None = None

    def ended(self, state: str, **facts: Any) -> "StageStatus":
        """The same stage in another state; what it was reused from and why it failed before is forgotten."""
        assert state in STATES
        return StageStatus(**{"key": self.key, "record": self.record, "seconds": self.seconds, "state": state} | facts)


def read_record(run_dir: Path, stage: str) -> dict[str, Any]:
    """The record that a stage's last cell wrote, with the parts `RECORD_PARTS`; its outputs lie inside the folder.

    Raises
    ------
    RunError
        There is none, it is none that this version wrote, or it was changed since.
    """
    path = run_dir / "results" / f"{stage}.json"
    try:
        record = read_json(path)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); run notebook {stage} again") from None
    whole = isinstance(record, dict) and all(isinstance(record.get(part), dict) for part in RECORD_PARTS)
    if not whole or (record.get("schema_version"), record.get("stage")) != (RECORD_VERSION, stage):
        raise RunError(f"{path} is no record of {stage} that this version wrote; run notebook {stage} again")
    if record.get("sha256") != sealed(record)["sha256"]:
        raise RunError(f"{path} was changed after {stage} wrote it; run notebook {stage} again")
    for name, facts in record["outputs"].items():
        try:
            inside(run_dir, name)
        except InputError as error:
            raise RunError(f"{path} names an output that it may not have: {error}") from None
        if not isinstance(facts, dict):
            raise RunError(f"{path} does not say what {name} holds; run notebook {stage} again")
    return record


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its version and the SHA-256 of all else in it, by which a change by hand is noticed."""
    rest = {name: value for name, value in record.items() if name not in ("schema_version", "sha256")}
    return {"schema_version": RECORD_VERSION, "sha256": sha256_of_json(rest), **rest}


def what_is_read(record: Mapping[str, Any], files_only: bool) -> dict[str, Any]:
    """The part of a stage's record that another one reads: data and weights, and its results where it reads those."""
    files = {name: facts for name, facts in record["outputs"].items() if name.startswith(HANDED_OVER)}
    return {"files": files} if files_only else {"files": files, "results": record["results"]}


def hash_of_what_is_read(run_dir: Path, stage: str, files_only: bool) -> str | None:
    """Hash of what another stage reads of this one, as it lies in the run folder; None where it has not finished."""
    if not (run_dir / "results" / f"{stage}.json").exists():
        return None
    return sha256_of_json(what_is_read(read_record(run_dir, stage), files_only))


class RunFolder:
    """Layout, lock and status file of a run folder.

    Attributes
    ----------
    damage
        Why the status of an earlier pass cannot be read, in words; None where it can, or there is none.
    """

    def __init__(self, path: Path):
        self.path = path
        self.report = path / "report.html"
        self.manifest = path / "manifest.json"
        self.status_file = path / "status.json"
        self.damage: str | None = None
        self.stages: dict[str, StageStatus] = self._read_status()

    def record(self, stage: str) -> Path:
        """What `Stage.finish` writes."""
        return self.path / "results" / f"{stage}.json"

    def notebook(self, stage: str) -> Path:
        """The executed notebook."""
        return self.path / "notebooks" / f"{stage}.ipynb"

    def read_record(self, stage: str) -> dict[str, Any] | None:
        """The stage's record, or None where it has not finished or the file is damaged."""
        try:
            return read_record(self.path, stage)
        except RunError:
            return None

    def record_hash(self, stage: str) -> str | None:
        """SHA-256 of the stage's record, None without one."""
        return sha256_of_file(self.record(stage)) if self.record(stage).is_file() else None

    def begin(self, stages: Iterable[str]) -> None:
        """Start a new pass over the stages: none has run yet, what earlier passes computed stays known."""
        self.stages = {name: self.stages.get(name, StageStatus()).ended("not run") for name in stages}
        self._write_status()

    def mark(self, stage: str, state: str, **facts: Any) -> None:
        """Put a stage in a state and write the status file."""
        self.stages[stage] = self.stages[stage].ended(state, **facts)
        self._write_status()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and hold it; the lock goes with the process, however that ends.

        Raises
        ------
        RunError
            Another run holds it, or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = open(self.path / ".lock", "a+")  # noqa: SIM115 - closed below, after the run
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise RunError(
                f"cannot write in {self.path} ({error.strerror}); choose another folder with --out"
            ) from None
        with stream:
            self._take_lock(stream)
            self.stages = self._read_status()
            yield

    def _take_lock(self, stream: Any) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().strip() or "unknown process"
            raise RunError(
                f"Another run ({holder}) is using {self.path}; wait for it, or choose another folder with --out."
            ) from None
        stream.truncate(0)
        stream.write(f"process {os.getpid()}, started {datetime.now():%Y-%m-%d %H:%M:%S}")
        stream.flush()

    def _read_status(self) -> dict[str, StageStatus]:
        """Status of an earlier pass; an unreadable file counts as none, and everything is computed."""
        self.damage = None
        try:
            stages = read_json(self.status_file)["stages"]
            known = {field.name for field in fields(StageStatus)}
            return {n: StageStatus(**{k: v for k, v in s.items() if k in known}) for n, s in stages.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.damage = f"its status.json cannot be read ({type(error).__name__}: {error})"
            return {}

    def _write_status(self) -> None:
        stages = {name: asdict(status) for name, status in self.stages.items()}
        write_json(self.status_file, {"schema_version": SCHEMA_VERSION, "stages": stages})
