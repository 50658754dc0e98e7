"""Which of the library's files a stage executes and reads, and what they are: reuse and checkpoints depend on it."""

import ast
import functools
import platform
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sface_lib.files import sha256_of_json
from sface_lib.registry import added_packages
from sface_lib.run.contents import describe_path

LIBRARY = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn")  # Whose version may change a number.
CHILD = "sface_lib.cli"  # The package that a process executes that a stage starts.


def code_hash(imported: Iterable[str], sources: Iterable[str] = (), library: Path = LIBRARY) -> str:
    """Hash of all files of the library that are executed or shipped for it, and of the packages that it rests on.

    Parameters
    ----------
    imported
        Modules that are imported, such as "sface_lib.run"; all that they import are followed.
    sources
        Python texts beside them, such as the cells of a notebook.
    library
        The folder of `sface_lib`.
    """
    files = {_name(path, library): path for path in _files(imported, sources, library)}
    contents = {name: describe_path(path)["sha256"] for name, path in files.items()}
    resting_on = {"versions": package_versions(PACKAGES), "added": added_packages()}
    return sha256_of_json({"files": contents, **resting_on})


def executed_modules(imported: Iterable[str], sources: Iterable[str] = (), library: Path = LIBRARY) -> frozenset[str]:
    """Modules of the library that are executed when some are imported and some texts are run.

    Imports inside functions count too, but those of the command line, which imports what the command at hand needs.
    """
    waiting = [*imported, *(name for source in sources for name in _imports(source, library, anywhere=True))]
    modules: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        modules.add(name)
        waiting.append(name.rpartition(".")[0] or name)  # A module's package is executed first.
        text = _file(name, library).read_text(encoding="utf-8")
        waiting += _imports(text, library, anywhere=not f"{name}.".startswith(f"{CHILD}."))
    return frozenset(modules)


def modules_in(package: str, library: Path = LIBRARY) -> list[str]:
    """A package of the library and all modules in it."""
    folder = library.parent.joinpath(*package.split("."))
    return [package, *(f"{package}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__")]


def _files(imported: Iterable[str], sources: Iterable[str], library: Path) -> Iterator[Path]:
    """Files of the executed modules, and the assets that they or the sources name."""
    texts = list(sources)
    for name in executed_modules(imported, texts, library):
        path = _file(name, library)
        texts.append(path.read_text(encoding="utf-8"))
        yield path
    for asset in {asset for text in texts for asset in _assets(text)}:
        yield library / "assets" / asset


def _file(name: str, library: Path) -> Path:
    folder = library.parent.joinpath(*name.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _name(path: Path, library: Path) -> str:
    return path.relative_to(library).as_posix()


def _imports(source: str, library: Path, anywhere: bool) -> list[str]:
    """Modules of the library that a text imports."""
    return [name for name in _named(source, anywhere) if _file(name, library).is_file()]


@functools.lru_cache(maxsize=1024)
def _named(source: str, anywhere: bool) -> tuple[str, ...]:
    """Names below `sface_lib` that a text imports, be they modules or what lies in them."""
    tree = _parsed(source)
    names = []
    for node in ast.walk(tree) if anywhere else tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.split(".")[0] == "sface_lib")


@functools.lru_cache(maxsize=1024)
def _assets(source: str) -> tuple[str, ...]:
    """What a text names as `ASSETS / "..."`: files or folders of the shipped assets."""
    return tuple(
        node.right.value
        for node in ast.walk(_parsed(source))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if isinstance(node.left, ast.Name) and node.left.id == "ASSETS" and isinstance(node.right, ast.Constant)
    )


def _parsed(source: str) -> ast.Module:
    """A text as Python; a cell with IPython's own syntax names nothing."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of some packages, by name; "not installed" of one that is not."""
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
