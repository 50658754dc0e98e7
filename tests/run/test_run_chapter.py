"""A chapter's place follows from what it reads."""

import graphlib

import pytest

from sface_lib.chapters.registry import CHAPTERS, ReportParameters
from sface_lib.run import Chapter, in_order
from sface_lib.run.results import Results, schema

FIRST = Chapter("81_first", "First")
SECOND = Chapter("82_second", "Second", uses=(FIRST,))
THIRD = Chapter("83_third", "Third", reads=(SECOND,), uses=(FIRST,))


def test_chapters_come_after_what_they_need_whatever_order_they_are_named_in():
    assert in_order([THIRD, FIRST, SECOND]) == (FIRST, SECOND, THIRD)
    assert (THIRD.needs, THIRD.files_only) == (("81_first", "82_second"), ("81_first",))


def test_chapters_that_need_each_other_are_refused():
    circle = Chapter("81_first", "First", reads=(THIRD,))
    with pytest.raises(graphlib.CycleError):
        in_order([circle, SECOND, THIRD])


def test_the_reports_chapters_stand_in_the_order_of_their_numbers():
    names = [chapter.name for chapter in CHAPTERS]
    assert names == sorted(names) and [name[:2] for name in names] == [f"{i:02}" for i in range(1, 8)]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_chapter_has_typed_results_with_a_schema_and_parameters_of_the_report(chapter):
    assert issubclass(chapter.results, Results) and chapter.results_version >= 1
    assert schema(chapter.results)["additionalProperties"] is False
    assert chapter.parameters.model_fields.keys() <= ReportParameters.model_fields.keys()
