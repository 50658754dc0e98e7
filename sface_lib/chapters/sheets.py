"""Contact sheets of faces, with the labels of their rows."""

from collections.abc import Sequence

import numpy as np
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

GAP_PX = 2  # Between the faces of contact sheets.
LABEL_PX = 12  # Height of the labels of contact sheets.
LABEL_GREY = (0x7B, 0x7B, 0x7B)  # Of their letters, which stand on the page's ground, light or dark.


def contact_sheet(
    rows: Sequence[np.ndarray],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    enlarge: int = 1,
    gap_px: int = GAP_PX,
) -> np.ndarray:
    """Rows of images in one picture uint8 `[H, W, 4]`, RGBA, with labels to the left of rows and above columns.

    What is no image is transparent, and the labels are of a grey that is read on white and on black.

    Parameters
    ----------
    rows
        Images uint8 `[n, 3, S, S]`, RGB; their numbers may differ, their side may not.
    enlarge
        Each pixel of an image becomes so many squared.
    """
    rows = [np.asarray(row).repeat(enlarge, 2).repeat(enlarge, 3) for row in rows]
    step, columns = rows[0].shape[-1] + gap_px, max(map(len, rows))
    sheet = Image.new("RGBA", (columns * step - gap_px, len(rows) * step - gap_px))
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet.paste(Image.fromarray(image.transpose(1, 2, 0)), (j * step, i * step))
    return label_sheet(np.asarray(sheet), row_labels, column_labels)


def label_sheet(sheet: np.ndarray, row_labels: Sequence[str] = (), column_labels: Sequence[str] = ()) -> np.ndarray:
    """A picture uint8 `[H, W, 4]`, RGBA, of one of equal rows and columns, labelled to the left and above.

    `sheet` is uint8 `[H, W, 3 or 4]`.
    """
    font, (height, width, _) = ImageFont.truetype(findfont("DejaVu Sans"), LABEL_PX), sheet.shape
    left = round(max(map(font.getlength, row_labels)) + LABEL_PX) if len(row_labels) else 0
    top = LABEL_PX + 4 if len(column_labels) else 0
    labelled = Image.new("RGBA", (left + width, top + height), (*LABEL_GREY, 0))
    labelled.paste(Image.fromarray(sheet), (left, top))
    draw = ImageDraw.Draw(labelled)
    for i, label in enumerate(row_labels):
        draw.text(
            (left - LABEL_PX / 2, top + (i + 0.5) * height / len(row_labels)), label, LABEL_GREY, font, anchor="rm"
        )
    for i, label in enumerate(column_labels):
        draw.text((left + (i + 0.5) * width / len(column_labels), 0), label, LABEL_GREY, font, anchor="ma")
    return np.asarray(labelled)


def split_rows(images: np.ndarray, columns: int) -> list[np.ndarray]:
    """Images uint8 `[N, 3, S, S]` in rows of so many; the last may be shorter."""
    return [images[i : i + columns] for i in range(0, len(images), columns)]
