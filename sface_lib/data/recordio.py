"""RecordIO as MXNet and InsightFace write it: framed records, and what the payload of one holds.

A record is a magic number, a word, and data padded to four bytes. The word's upper three bits say whether the record is
whole (0) or a first (1), middle (2) or last (3) part, its other bits how long the data are. Where the magic number
stands in a payload at a multiple of four bytes, it is left out and the record split there, so that a reader who lost
its place finds the next record by the magic number alone. Integers are little-endian.

A payload is a header (flag uint32, label float32, two ids uint64), then `flag` labels float32 in place of the one in
the header, then an image file, or nothing.
"""

import errno
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

MAGIC = struct.pack("<I", 0xCED7230A)
HEADER = struct.Struct("<IfQQ")
EXACT = 1 << 24  # Labels are float32: whole numbers above are not all told apart.
_WORD = struct.Struct("<I")
_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def read_record(stream: BinaryIO, offset: int, most: int | None = None) -> bytes:
    """Payload of the record that begins at a byte, or no more than its first bytes.

    Parameters
    ----------
    stream
        The .rec file, open for reading.
    offset
        Where the record begins, in bytes.
    most
        Bytes that are enough; None for the whole payload.

    Raises
    ------
    OSError
        If no record begins there, or it isn't whole; `strerror` says which.
    """
    stream.seek(offset)
    payload, kind = bytearray(), None
    while kind not in (_WHOLE, _LAST):
        head = _exactly(stream, 8)
        if head[:4] != MAGIC:
            raise damage("no record begins where the .idx says")
        if kind is not None:
            payload += MAGIC
        word = _WORD.unpack(head[4:])[0]
        before, kind, length = kind, word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        if (kind in (_WHOLE, _FIRST)) != (before is None) or kind > _LAST:
            raise damage("the parts of the record are out of order")
        if most is not None and len(payload) + length >= most:
            return bytes(payload + _exactly(stream, max(most - len(payload), 0)))
        payload += _exactly(stream, length)
        stream.seek(-length % 4, 1)
    return bytes(payload)


def frame_record(payload: bytes) -> bytes:
    """A record of a payload, split where the magic number stands in it at a multiple of four bytes."""
    parts = list(_parts(payload))
    kinds = [_FIRST, *[_MIDDLE] * (len(parts) - 2), _LAST] if len(parts) > 1 else [_WHOLE]
    return b"".join(
        MAGIC + _WORD.pack(kind << _LENGTH_BITS | len(part)) + part + bytes(-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def unpack_payload(payload: bytes) -> tuple[np.ndarray, bytes]:
    """Labels float32 `[n]`, n >= 1, and the bytes of the image file, which may be none.

    Raises
    ------
    OSError
        If the header is cut, or asks for more labels than there are bytes.
    """
    if len(payload) < HEADER.size:
        raise damage("the header of the record is cut")
    flag, label = HEADER.unpack_from(payload)[:2]
    end = HEADER.size + 4 * flag
    if end > len(payload):
        raise damage(f"the header of the record asks for {flag} labels, more than it holds")
    labels = np.frombuffer(payload, "<f4", flag, HEADER.size) if flag else np.array([label], np.float32)
    return labels, payload[end:]


def damage(reason: str) -> OSError:
    """The error of a record that can't be read; its `strerror` is the reason, without any name."""
    return OSError(errno.EIO, reason)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise damage("the .rec file ends before the record does")
    return data


def _parts(payload: bytes) -> Iterator[bytes]:
    """What lies between the magic numbers that stand at multiples of four bytes."""
    start, place = 0, payload.find(MAGIC)
    while place >= 0:
        if place % 4:
            place = payload.find(MAGIC, place + 1)
            continue
        yield payload[start:place]
        start = place + 4
        place = payload.find(MAGIC, start)
    yield payload[start:]
