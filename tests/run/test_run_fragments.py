"""What the cells of a shown table hold, and how they are lined up."""

import pandas as pd

from sface_lib.run.fragments import ShownTable


def test_text_that_is_read_as_a_number_is_lined_up_as_one():
    frame = pd.DataFrame(
        {
            "rate": ["0.2 %", "0.000067 %"],
            "subjects": ["300", "unknown"],
            "p": ["≤ 0.001", "–"],
            "size": ["64x64", "12"],
            "none": ["none", None],
        }
    )
    assert ShownTable(frame).kinds == ["number", "number", "number", "", ""]


def test_zero_has_no_sign():
    assert ShownTable(pd.DataFrame({"gap": [-0.0001, -0.04, 0.5]}), floats="%.1f").rows == [["0.0"], ["0.0"], ["0.5"]]
