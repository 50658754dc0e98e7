"""What a file is that was given for weights and is another: told from its beginning, and nothing in it is run."""

import re
import zipfile
from pathlib import Path

from sface_lib.errors import WeightsError

# What some readers of weights take and others don't.
CHECKPOINT, STYLEGAN2 = "a PyTorch checkpoint (.pth)", "a StyleGAN2-ADA pickle"
_REMEDIES = {
    CHECKPOINT: "it is read for recognition models alone; give weights that this program wrote (.safetensors)",
    STYLEGAN2: "convert it by `sface generator import`, which writes a generator (.safetensors)",
}
_HEAD_BYTES, _TEXT_BYTES, _TAR_MAGIC = 1 << 18, 1 << 10, slice(257, 262)
_OLD_CHECKPOINT = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # The number by which torch.save began before it wrote zips.
_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_POINTER = b"version https://git-lfs.github.com/spec/"
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z", b"Rar!": "RAR"}
_UNPACK = "unpack it, and give the file of weights that it holds"


def refuse_other_files(path: str | Path, *reads: str) -> None:
    """Refuse what is no file of weights, and say what it is and how to come by the file itself.

    Known are web pages, Git LFS pointers, text, archives, HDF5, StyleGAN's pickles of any age, and PyTorch checkpoints.
    Whatever else cannot be opened is left to its reader, a missing file, too.

    Parameters
    ----------
    reads
        `CHECKPOINT`, `STYLEGAN2`: what this reader takes.

    Raises
    ------
    WeightsError
        The file is one of these.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return
    told = _told(Path(path), head)
    if told and told[0] not in reads:
        raise WeightsError(f"{path} is {told[0]}; {told[1]}")


def _told(path: Path, head: bytes) -> tuple[str, str] | None:
    """What the file is, and what to do; None where it may be weights."""
    if not head:
        return "empty", "get the file again"
    if head.startswith(_POINTER):
        return "a Git LFS pointer, which stands for the file", "run `git lfs pull` in its folder, or download the file"
    if _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "a web page (HTML), such as one that asks for a login or a confirmation", "download the file itself"
    if head.startswith(b"PK\x03\x04"):
        return _told_zip(path)
    if head.startswith(b"\x80"):
        return _told_pickle(head)
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file, as Keras writes", "convert the model to ONNX, and give that"
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
    if packed or head[_TAR_MAGIC] == b"ustar":
        return f"an archive ({packed or 'tar'})", _UNPACK
    text = _text(head[:_TEXT_BYTES])
    return None if text is None else (f"text that begins with {text[:40]!r}", "give the file of weights itself")


def _told_zip(path: Path) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile):
        return None  # Cut short, which its reader says.
    if any(name.endswith("data.pkl") for name in names):
        return CHECKPOINT, _REMEDIES[CHECKPOINT]
    such = f", such as {names[0]!r}" if names else ""
    return f"a zip of {len(names)} files{such}", _UNPACK


def _told_pickle(head: bytes) -> tuple[str, str] | None:
    if _OLD_CHECKPOINT in head[:16]:
        return CHECKPOINT, _REMEDIES[CHECKPOINT]
    if b"dnnlib.tflib.network" in head:
        return (
            "a StyleGAN pickle of TensorFlow (dnnlib.tflib.network.Network)",
            "convert it by legacy.py of the official stylegan2-ada-pytorch, and give the .pkl that it writes",
        )
    if b"torch_utils.persistence" not in head:
        return None
    if b"SynthesisInput" in head:  # In its module's source, which stands before the tensors.
        return "a StyleGAN3 pickle, which is not read", "draw images by its own gen_images.py, and give them as a set"
    return STYLEGAN2, _REMEDIES[STYLEGAN2]


def _text(start: bytes) -> str | None:
    """The beginning of a text in UTF-8, in one line; None where it is none."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # Not merely cut within a letter.
            return None
        text = start[: error.start].decode()
    text = text.removeprefix("\ufeff")
    return " ".join(text.split()) if all(letter.isprintable() or letter.isspace() for letter in text) else None
