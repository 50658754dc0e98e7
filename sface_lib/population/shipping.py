"""Make anew what ships: render, pack, draw the benchmarks, train verifier and regressor, note what came out."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sface_lib.data import write_protocol
from sface_lib.files import add_to_zip, atomic_path, new_zip, sha256_of_file, write_json
from sface_lib.population.benchmarks import BENCHMARKS, draw_protocol
from sface_lib.population.nuisance import REGRESSOR_PATH, train_nuisance_regressor
from sface_lib.population.rendering.persons import POPULATION_VERSION
from sface_lib.population.rendering.sets import LABELS_FILE, render_set
from sface_lib.population.shipped import SETS, SIZE_PX, VERIFIER_PATH, ShippedSet
from sface_lib.population.verifier import train_verifier


def ship(out: str | Path, work: str | Path, workers: int = 1, sets: Mapping[str, ShippedSet] = SETS) -> Path:
    """Write all that ships into a folder; give the manifest's path.

    Parameters
    ----------
    out
        Where to; files of the same names are replaced.
    work
        Folder of the rendered images and the checkpoints: a run that was stopped goes on.
    workers
        Rendering processes.
    sets
        What is rendered, by name; the regressor learns from those of `nuisance.TAUGHT_BY`.

    Raises
    ------
    InputError
        No extra `population`, or another recipe's images in `work`.
    CheckpointError
        Checkpoints of another recipe in `work`.
    """
    out, work, made = Path(out), Path(work), []
    out.mkdir(parents=True, exist_ok=True)  # What cannot be written is told before the rendering, not after it.
    for name, chosen in sets.items():
        images = max(other.end for other in sets.values() if other.split == chosen.split)
        folder = render_set(work / chosen.split, chosen.split, chosen.identities, images, SIZE_PX, workers=workers)
        made.append(pack(folder, chosen, out / f"{name}.zip"))
        table = pd.read_parquet(folder / LABELS_FILE)
        rows = table[(table["image"] >= chosen.first) & (table["image"] < chosen.end)]
        with atomic_path(out / f"{name}.parquet") as temporary:
            compact(rows).to_parquet(temporary, index=False, compression="zstd")
        made.append(out / f"{name}.parquet")
        if name == "benchmark":
            made += [write_protocol(out / f"{b}.csv", draw_protocol(table, b)) for b in BENCHMARKS]
    made.append(train_verifier(out / VERIFIER_PATH.name, work, workers))
    made.append(train_nuisance_regressor(out / REGRESSOR_PATH.name, out))
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)} for path in sorted(made)}
    return write_json(
        out / "manifest.json", {"population_version": POPULATION_VERSION, "seed": 0, "size_px": SIZE_PX, "files": files}
    )


def compact(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its floats in single precision."""
    return table.astype(dict.fromkeys(table.select_dtypes("float64"), "float32"))


def pack(rendered: Path, chosen: ShippedSet, path: Path) -> Path:
    """Write the chosen images of a rendered set, byte for byte, into a zip of identity folders."""
    with new_zip(path) as archive:
        for folder in sorted(rendered.glob(f"{chosen.split}-*"))[: chosen.identities]:
            for file in sorted(folder.iterdir())[chosen.first : chosen.end]:
                add_to_zip(archive, f"{folder.name}/{file.name}", file.read_bytes())
    return path
