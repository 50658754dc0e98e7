"""Numbers and names as several chapters write them."""

from sface_lib.chapters.words import p_clause, p_in_words, plain, the


def test_a_judge_that_goes_by_its_own_name_has_no_article():
    assert [the(name) for name in ("verifier", "second verifier", "dlib", "**dlib**")] == [
        *("the verifier", "the second verifier", "dlib", "**dlib**")
    ]


def test_a_p_value_has_no_digits_that_say_nothing():
    assert [p_in_words(*each) for each in ((1.5e-24, False), (0.0, False), (0.00042, True), (0.02, False))] == [
        *("< 0.001", "< 0.001", "≤ 0.00042", "0.02")
    ]
    assert p_in_words(None, False) == "–"
    assert [p_clause(*each) for each in ((1e-9, False), (0.002, True), (0.2, False))] == [
        *("p < 0.001", "p ≤ 0.002", "p = 0.200")
    ]


def test_a_small_rate_has_no_power_of_ten():
    assert [plain(value) for value in (6.66e-05, 0.2, 2.0, 150.0)] == ["0.000067", "0.2", "2", "150"]
