"""What a notebook holds of its run: parameters in, files out, and a record written as its last act.

Importing this module loads neither torch nor matplotlib.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sface_lib.errors import InputError, RunError
from sface_lib.files import atomic_path, inside, sha256_of_json, write_json
from sface_lib.run.chapter import Chapter
from sface_lib.run.contents import describe_path
from sface_lib.run.current import changed_parameters, sources_made_anew
from sface_lib.run.folder import EMBEDDINGS, HANDED_OVER, hash_of_what_is_read, read_record, sealed
from sface_lib.run.fragments import (
    THRESHOLDS,
    Finding,
    Sheet,
    ShownTable,
    figure_html,
    folded_html,
    headline_html,
    png_of_pixels,
)
from sface_lib.run.hover import points_of_figure
from sface_lib.run.kernel import in_batch, machine_facts, sentences_only, take_parameters
from sface_lib.run.results import Results, as_plain, from_plain, schema

HIDDEN = "Pictures of authentic faces are hidden (show_authentic_images is false)."
PICTURE_KINDS = ("plot", "synthetic", "authentic")
MARGIN_INCHES = 0.1  # Around a figure.

R = TypeVar("R")


def results_of(record: Mapping[str, Any], chapter: Chapter[R], path: Path) -> R:
    """The typed results of a chapter's record, which lies at `path`.

    Raises
    ------
    RunError
        They are of another version than this program's, or hold something else.
    """
    if record["results_version"] != chapter.results_version:
        raise RunError(
            f"{path} holds results of version {record['results_version']}, and this program reads version "
            f"{chapter.results_version}; run notebook {chapter.name} again"
        )
    try:
        return from_plain(record["results"], chapter.results)
    except InputError as error:
        raise RunError(f"{path} cannot be read: {error}; run notebook {chapter.name} again") from None


class Stage:
    """One stage of a run, as its notebook sees it. Make it with `Stage.open`.

    Attributes
    ----------
    name
        e.g. "02_generation".
    chapter
        What was declared of it; None for a notebook of one's own.
    run_dir
        The run folder, absolute.
    parameters
        The parameters that the chapter declares, checked, as attributes.
    """

    def __init__(self, name: str, chapter: Chapter | None, run_dir: Path, parameters: Any):
        self.name = name
        self.chapter = chapter
        self.run_dir = run_dir
        self.parameters = parameters
        self._outputs: dict[str, Path] = {}
        self._made_from: dict[str, Any] = {}

    @classmethod
    def open(cls, chapter: Chapter | str, namespace: Mapping[str, Any]) -> "Stage":
        """Take `run_dir` and the chapter's parameters out of a notebook's names and check them.

        A record of an earlier execution is removed, with its checkpoints: from here on the stage is unfinished until
        `finish`. Checkpoints of an execution that did not finish stay, so that training goes on.

        Parameters
        ----------
        chapter
            The chapter's declaration; or a name, for a notebook of one's own, which may read all that has finished.
        namespace
            The notebook's `globals()`, where the cell tagged `parameters` has set them.

        Raises
        ------
        ParameterError
            A parameter is missing in the cell, or its value is not allowed.
        RunError
            An earlier stage has not finished, was made from another version of a stage before it, or was made with
            other values of shared parameters: the message says which notebook to run first, or again.
        """
        if not in_batch():
            sentences_only()
        declared = chapter if isinstance(chapter, Chapter) else None
        name = declared.name if declared else chapter
        stage = cls(name, declared, *take_parameters(name, declared, namespace))
        stage._made_from = stage._check_earlier_stages()
        unfinish(stage.run_dir, name)
        return stage

    def _check_earlier_stages(self) -> dict[str, Any]:
        """Refuse earlier stages that were not made from one another; return, what is read of each."""
        for need in self.chapter.required if self.chapter else ():
            self._read_record(need)
        finished = {need: self._read_record(need) for need in self._needs() if self.has_finished(need)}
        for need, record in finished.items():
            self._check_shared_parameters(need, record)
            for source in sources_made_anew(self.run_dir, record):
                raise RunError(
                    f"{self.name} reads {need}, which was made from another {source} than the one in {self.run_dir}; "
                    f"run notebook {need} again first"
                )
        files_only = {need: need in self.chapter.files_only for need in finished} if self.chapter else {}
        return {
            n: {"files_only": alone, "sha256": hash_of_what_is_read(self.run_dir, n, alone)}
            for n, alone in files_only.items()
        }

    def _check_shared_parameters(self, stage: str, record: Mapping[str, Any]) -> None:
        """Refuse parameter values that differ from those an earlier stage was made with.

        Not checked under `sface report`, which starts all stages with one set of parameters and compares paths by
        their contents.
        """
        values = {} if in_batch() else self.parameters.model_dump(mode="json")
        for name, (before, now) in changed_parameters(record, values).items():
            raise RunError(
                f"{stage} was made with {name} = {before!r}, and this notebook has {name} = {now!r}; "
                f"run notebook {stage} again first, or set {name} as it was"
            )

    def results(self, chapter: Chapter[R]) -> R:
        """The results of an earlier chapter.

        Raises
        ------
        RunError
            It has not finished in this run folder, its results are of another version or changed by hand, or this
            stage does not declare that it reads them.
        """
        if self.chapter and chapter.name in self.chapter.files_only:
            raise RunError(f"{self.name} declares that it uses only files of {chapter.name}; add it to `reads`")
        return results_of(self._read_record(chapter.name), chapter, self._record(chapter.name))

    def has_finished(self, stage: str) -> bool:
        """Whether another stage has finished in this run folder."""
        return self._record(stage).exists()

    def input(self, name: str) -> Path:
        """The path of a file or folder that an earlier stage wrote, e.g. "weights/generator.safetensors".

        Raises
        ------
        RunError
            None of the finished stages that this one reads wrote it.
        """
        path = self._inside(name)
        if any(path.is_relative_to(self.run_dir / output) for output in self._written_before()):
            return path
        writers = " or ".join(self._needs()) or "that writes it"
        raise RunError(f"{name} is not in {self.run_dir}; run notebook {writers} first")

    def inputs(self, start: str) -> list[str]:
        """Names, sorted, of the files and folders that earlier stages wrote and that begin with `start`."""
        return sorted(name for name in self._written_before() if name.startswith(start))

    def output(self, name: str) -> Path:
        """Register a file or folder that this stage writes; return its path, with its parent folder made.

        What an earlier execution left there is removed, since it may be a hard link into another run's folder, whose
        file would be overwritten.
        """
        path = self._inside(name)
        if name not in self._outputs:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            self._outputs[name] = path
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def scratch(self, name: str) -> Path:
        """A folder for checkpoints and logs that stays until the stage has finished; it is no output.

        Its name holds a hash of the parameters, of the code that the chapter executes, and of the data and weights of
        earlier stages: where one of these changes, a fresh folder is used; where it is changed back, the old one is.
        """
        folder = self._inside(f"work/{self.name}/{self._inputs_digest()}/{name}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def embeddings(self) -> Path:
        """A folder for embeddings that stages share; deleted at the end of the run, see `ReportPlan.keep_embeddings`.

        In a notebook run by hand, whose run has no end, `finish` deletes it.
        """
        return self.run_dir / EMBEDDINGS

    def _inputs_digest(self) -> str:
        """Eight hex digits of the parameters, the code, and the data and weights that earlier stages wrote."""
        read = {name: facts for name, facts in self._written_before().items() if name.startswith(HANDED_OVER)}
        parameters = self.parameters.model_dump(mode="json")
        code = self.chapter.code_hash(parameters) if self.chapter else ""
        return sha256_of_json([parameters, code, read])[:8]

    def table(
        self,
        frame: Any,
        name: str,
        caption: str,
        index: bool = False,
        floats: str = "%.4g",
        grey: Any = (),
        folded: bool = False,
    ) -> None:
        """Write a `pandas.DataFrame` as `results/<stage>.<name>.csv` and, as shown, `.tex`, and show it.

        `floats` formats the shown numbers, in `%` style; the CSV holds them in full. `grey` names cells, as pairs of
        (row position, column name), whose value must not be relied on. Text links to the table by `#<stage>.<name>`.
        A `folded` table, whose numbers a figure shows too, is collapsed under its caption.
        """
        _require(caption, f"caption of table {name}")
        table = self._table(frame, caption, name, index=index, floats=floats, grey=grey)
        _show_html(folded_html(table, caption) if folded else table)

    def thresholds(self, frame: Any, name: str, caption: str, colour: str = "") -> None:
        """Write and show a table of error rates by threshold, see `sface_lib.chapters.thresholds`, as `table` does.

        It is collapsed under its caption; where scripts may run, the page draws it in `colour`, with a threshold that
        the reader can move.
        """
        table = self._table(frame, caption, name, floats="%.3f")
        _show_html(folded_html(table, caption, THRESHOLDS, colour))

    def figure(self, drawn: Any, name: str, alt: str, caption: str = "", shows: str = "plot") -> None:
        """Save a matplotlib figure as `figures/<stage>.<name>.png`, `.svg` and `.pdf`, show it, and close it.

        Text links to it by `#<stage>.<name>`.

        Parameters
        ----------
        drawn
            The figure; or a pair of it and a `pandas.DataFrame` of the numbers behind it, which is written as a table
            `<stage>.<name>.numbers` and folded beside it.
        name
            Its name within the stage.
        alt
            What it shows, in words, for those who cannot see it.
        caption
            Text under it.
        shows
            "plot", "synthetic" or "authentic"; the last is left out unless `show_authentic_images` is set.
        """
        import matplotlib.pyplot as plt

        fig, table = drawn if isinstance(drawn, tuple) else (drawn, None)
        try:
            if self._may_show(name, alt, shows):
                png, points = self._save_figure(fig, name)
                numbers = f"The numbers behind: {caption or alt}"
                folded = "" if table is None else self._table(table, numbers, f"{name}.numbers")
                _show_html(figure_html(png, alt, caption, shows, folded, f"{self.name}.{name}", points))
        finally:
            plt.close(fig)

    def picture(
        self,
        pixels: Any,
        name: str,
        alt: str,
        caption: str = "",
        shows: str = "synthetic",
        sheet: Sheet | None = None,
    ) -> None:
        """Save pixels uint8 `[H, W, 3 or 4]`, RGB or RGBA, exactly, as `figures/<stage>.<name>.png`, and show them.

        With a `sheet`, the page lets its reader choose one of the faces and shows it large. Of authentic faces nothing
        is written unless `show_authentic_images` is set.
        """
        if self._may_show(name, alt, shows):
            png = png_of_pixels(pixels)
            with atomic_path(self.output(f"figures/{self.name}.{name}.png")) as temporary:
                temporary.write_bytes(png)
            _show_html(figure_html(png, alt, caption, shows, name=f"{self.name}.{name}", sheet=sheet))

    def headline(self, whose: str, findings: Iterable[Finding], limits: Iterable[str], sets: Any, caption: str) -> None:
        """Show what belongs on the first screen of the page: whose faces, findings, limits, a row for each set.

        Parameters
        ----------
        whose
            A sentence that says whose faces the run is about.
        findings
            See `sface_lib.run.fragments.Finding`.
        limits
            Sentences, each a limit of this run.
        sets
            A `pandas.DataFrame`, written and shown as the table `at_a_glance`; None for no table.
        caption
            Caption of that table.
        """
        table = "" if sets is None else self._table(sets, caption, "at_a_glance", floats="%.3g")
        _show_html(headline_html(whose, findings, limits, table))

    def say(self, markdown: str) -> None:
        """Show Markdown whose numbers were read from results."""
        from IPython.display import Markdown, display

        display(Markdown(markdown))

    def finish(self, results: Results | dict[str, Any] | None = None) -> None:
        """Record the results and the hashes of all outputs in `results/<stage>.json`: the stage's last act.

        A chapter's results are of the type that it declares, whose JSON Schema is written to `schemas/<stage>.json`;
        those of a notebook of one's own are a dict of any names, or none.

        Raises
        ------
        InputError
            The results are of another type, or a value is NaN or infinite, or of a type that JSON cannot hold.
        RunError
            A registered output was not written.
        """
        kind = self.chapter.results if self.chapter else dict
        plain = as_plain({} if results is None else results, kind)
        if issubclass(kind, Results):
            write_json(self.output(f"schemas/{self.name}.json"), schema(kind))
        missing = [name for name, path in self._outputs.items() if not path.exists()]
        if missing:
            raise RunError(f"{self.name} registered {', '.join(missing)} but did not write it")
        record = {
            "stage": self.name,
            "parameters": self.parameters.model_dump(mode="json"),
            "made_from": self._made_from,
            "results_version": self.chapter.results_version if self.chapter else 0,
            "results": plain,
            "outputs": {name: describe_path(path) for name, path in sorted(self._outputs.items())},
            "machine": machine_facts(),
        }
        write_json(self._record(self.name), sealed(record))
        if not in_batch():
            shutil.rmtree(self.embeddings, ignore_errors=True)

    def _record(self, stage: str) -> Path:
        return self.run_dir / "results" / f"{stage}.json"

    def _read_record(self, stage: str) -> dict[str, Any]:
        if stage not in self._needs():
            raise RunError(f"{self.name} does not declare that it reads {stage}; add it to its chapter's declaration")
        if not self.has_finished(stage):
            raise RunError(
                f"{self.name} reads {stage}, which has not finished in {self.run_dir}; run notebook {stage} first"
            )
        return read_record(self.run_dir, stage)

    def _written_before(self) -> dict[str, Any]:
        """Outputs of the finished stages that this one reads: name -> what is recorded of it."""
        records = [self._read_record(need) for need in self._needs() if self.has_finished(need)]
        return {name: facts for record in records for name, facts in record["outputs"].items()}

    def _needs(self) -> tuple[str, ...]:
        """Stages that the chapter declares to read; for a notebook of one's own, every finished one."""
        if self.chapter:
            return self.chapter.needs
        stages = (path.stem for path in sorted((self.run_dir / "results").glob("*.json")))
        return tuple(name for name in stages if name != self.name)

    def _inside(self, name: str) -> Path:
        return inside(self.run_dir, name)

    def _may_show(self, name: str, alt: str, shows: str) -> bool:
        """Whether a picture may be written and shown; says so where it may not."""
        _require(alt, f"alt text of figure {name}")
        if shows not in PICTURE_KINDS:
            raise InputError(f"shows={shows!r} of figure {name} is not one of {', '.join(PICTURE_KINDS)}")
        allowed = shows != "authentic" or getattr(self.parameters, "show_authentic_images", False)
        if not allowed:
            self.say(HIDDEN)
        return allowed

    def _save_figure(self, fig: Any, name: str) -> tuple[bytes, str]:
        """Save PNG, SVG and PDF, without the dates and random ids that would make equal drawings differ.

        Returns the PNG, and as JSON what the page names under the pointer: see `sface_lib.run.hover`.
        """
        from matplotlib import rc_context

        paths = {suffix: self.output(f"figures/{self.name}.{name}.{suffix}") for suffix in ("png", "svg", "pdf")}
        with rc_context({"svg.hashsalt": self.name, "pdf.fonttype": 42}):
            fig.draw_without_rendering()  # Laid out once, not for every file.
            box = fig.get_tightbbox(fig.canvas.get_renderer()).padded(MARGIN_INCHES)
            fig.set_layout_engine("none")
            for suffix, metadata in (
                ("png", {"Software": None}),
                ("svg", {"Date": None}),
                ("pdf", {"CreationDate": None}),
            ):
                with atomic_path(paths[suffix]) as temporary:
                    fig.savefig(temporary, metadata=metadata, dpi=144, bbox_inches=box, transparent=suffix == "svg")
        return paths["png"].read_bytes(), points_of_figure(fig, box)

    def _table(self, frame: Any, caption: str, name: str, index: bool = False, **shown: Any) -> str:
        """Write a table as CSV and LaTeX; return its HTML."""
        name, table = f"{self.name}.{name}", ShownTable(frame, index, **shown)
        with atomic_path(self.output(f"results/{name}.csv")) as temporary:
            frame.to_csv(temporary, index=index)
        with atomic_path(self.output(f"results/{name}.tex")) as temporary:
            temporary.write_text(table.latex(caption, name), encoding="utf-8")
        return table.html(caption, name)


def unfinish(run_dir: Path, stage: str) -> None:
    """Delete a stage's record, and the checkpoints of the execution that wrote it; nothing where it has no record."""
    record = run_dir / "results" / f"{stage}.json"
    if record.exists():
        shutil.rmtree(run_dir / "work" / stage, ignore_errors=True)
        record.unlink()


def _require(text: str, what: str) -> None:
    if not text.strip():
        raise InputError(f"the {what} is empty; say in one sentence what it shows")


def _show_html(html: str) -> None:
    from IPython.display import HTML, display

    display(HTML(html))
