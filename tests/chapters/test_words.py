"""Numbers and names as several chapters write them."""

from sface_lib.chapters.words import the


def test_a_judge_that_goes_by_its_own_name_has_no_article():
    assert [the(name) for name in ("verifier", "second verifier", "dlib", "**dlib**")] == [
        *("the verifier", "the second verifier", "dlib", "**dlib**")
    ]
