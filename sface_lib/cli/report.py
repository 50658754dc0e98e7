"""`sface report` runs the notebooks, `sface lab` opens them."""

import textwrap
from argparse import Namespace, RawDescriptionHelpFormatter

from sface_lib.chapters.profiles import build_parameters
from sface_lib.chapters.registry import ReportParameters
from sface_lib.cli.options import PARAMETERS, Commands, add_command, option, overrides
from sface_lib.run.parameters import describe

REPORT_OPTIONS = (
    *PARAMETERS,
    option(
        "--from",
        dest="start_from",
        metavar="STAGE",
        help="compute from this stage on, e.g. 03; earlier ones must be complete",
    ),
    option("--out", metavar="DIR", help="the run folder (default: runs/<profile>-<id>)"),
    option(
        "--dry-run",
        action="store_true",
        help="open every path, measure the speed of the networks, and print the expected time and memory",
    ),
    option(
        "--keep-embeddings",
        action="store_true",
        help="leave the embeddings of all faces, which are biometric data, in the run folder's work/embeddings",
    ),
)
LAB_OPTIONS = (
    *PARAMETERS,
    option("--out", metavar="DIR", default="runs/interactive", help="the run folder (default: %(default)s)"),
)


def add_commands(commands: Commands) -> None:
    """`report` and `lab`."""
    parameters = {"epilog": _parameter_help(), "formatter_class": RawDescriptionHelpFormatter}
    add_command(
        commands,
        "report",
        run_report,
        REPORT_OPTIONS,
        help="run the notebooks in order and make report.html",
        description="Run the notebooks in order, reuse what is unchanged, and make one self-contained report.html.",
        **parameters,
    )
    add_command(
        commands,
        "lab",
        open_lab,
        LAB_OPTIONS,
        help="open the notebooks in JupyterLab",
        description="Copy the notebooks into a run folder, write the parameters into each copy, and open the first in "
        "JupyterLab. In copies that exist already, no other cell changes.",
        **parameters,
    )


def run_report(arguments: Namespace) -> int:
    """`sface report`; papermill and what it imports load only when the parameters are right."""
    print(f"Profile {arguments.profile}: checking parameters and inputs", flush=True)
    from sface_lib.report.plan import plan_report

    settings = overrides(arguments.set)
    plan = plan_report(
        arguments.profile, settings, arguments.out, arguments.start_from, keep_embeddings=arguments.keep_embeddings
    )
    if arguments.dry_run:
        from sface_lib.chapters.dryrun import dry_run
        from sface_lib.report.timeleft import took_before

        print(f"Run folder: {plan.folder}")
        for line in dry_run(build_parameters(arguments.profile, settings)):
            print(line)
        if duration := took_before(plan):
            print(duration)
        return 0
    print(f"{len(plan.stages)} notebooks, run folder {plan.folder}", flush=True)
    from sface_lib.report import runner

    return runner.run_report(plan)


def open_lab(arguments: Namespace) -> None:
    """`sface lab`."""
    from sface_lib.report import lab
    from sface_lib.report.plan import plan_report

    settings = overrides(arguments.set)
    start = lab.prepare(plan_report(arguments.profile, settings, arguments.out), arguments.profile, settings)
    print(f"Opening {start} in JupyterLab", flush=True)
    lab.open_lab(start)


def _parameter_help() -> str:
    """Every parameter: name, type, range, default, and its sentence."""
    lines = ["parameters (--set NAME=VALUE):"]
    for row in describe(ReportParameters):
        limits = f", {row['range']}" if row["range"] else ""
        lines.append(f"\n  {row['name']}  ({row['type']}{limits}; default: {row['default']!r})")
        lines += textwrap.wrap(row["description"], 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)
