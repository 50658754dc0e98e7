"""Verdicts follow from the evidence by rule."""

import dataclasses

import numpy as np
import pytest

from sface_lib.biometrics import Interval
from sface_lib.privacy import Claim, holm, shuffles_for, verdicts


def claim(value=0.5, low=0.45, high=0.55, p=0.5, name="link", judge="verifier", competent=True, **changes) -> Claim:
    evidence = {"margin": 0.02, "null_sd": 0.001, "p_floor": 0.001, "identities": 100} | changes
    return Claim(name, judge, value, 0.5, Interval(low, high, 0.9), p, competent=competent, **evidence)


def words(*claims: Claim) -> list[str]:
    return [verdict.words for verdict in verdicts(claims)]


def test_holm_by_hand():
    """0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04 x 1, each at least the one before."""
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.6]), [1, 1])


def test_each_verdict():
    assert words(claim(0.7, 0.65, 0.75, p=0.001)) == ["above chance"]
    assert words(claim(0.3, 0.25, 0.35, p=0.001)) == ["below chance"]
    assert words(claim(0.5, 0.49, 0.51)) == ["equivalent to chance (within ±0.02)"]
    assert words(claim(0.5, 0.45, 0.55))[0].startswith("not decided at this size (detectable effect ±0.0")
    assert words(claim(0.5, 0.49, 0.51, competent=False)) == ["not judged: no competent judge"]


def test_a_small_p_is_not_enough_among_many_claims():
    alone, many = claim(0.6, 0.51, 0.69, p=0.03), [claim(p=0.5, name=str(i)) for i in range(5)]
    assert words(alone) == ["above chance"] and "not decided" in words(alone, *many)[0]


def test_claims_of_an_incompetent_judge_do_not_weigh_on_the_others():
    others = [claim(p=0.001, name=str(i), competent=False) for i in range(50)]
    found = verdicts([claim(0.6, 0.51, 0.69, p=0.03), *others])
    assert found[0].p_corrected == pytest.approx(0.03) and found[0].words == "above chance"
    assert {verdict.p_corrected for verdict in found[1:]} == {None}


def test_a_p_that_no_shuffle_reached_may_be_smaller_still():
    """The floor is the claim's own, before the correction: 2 / 1000 of 999 shuffles, times two claims."""
    least, more = verdicts([claim(0.9, 0.8, 1, p=0.002, p_floor=0.002), claim(p=0.004, p_floor=0.002, name="b")])
    assert least.p_corrected == 0.004 and least.at_floor and not more.at_floor


def test_shuffles_let_the_largest_family_reach_one_percent():
    """Of 18 claims: 18 x 2 / (3599 + 1) = 0.01."""
    assert shuffles_for(18) == 3599 and shuffles_for(1) == 199


def test_an_undecided_claim_tells_how_many_identities_equivalence_takes():
    """An error of 0.0304 at 100 identities; z(0.95) + z(0.9) = 2.9264 of them within 0.02."""
    undecided = claim(0.5, 0.45, 0.55)
    assert undecided.identities_for_equivalence == pytest.approx(100 * (2.9264 * 0.0304 / 0.02) ** 2, rel=1e-3)
    assert f"equivalence takes about {undecided.identities_for_equivalence:,} identities" in words(undecided)[0]
    assert claim(margin=0.0).identities_for_equivalence is None


def test_as_many_identities_as_told_show_equivalence_in_four_of_five_cases():
    """The mean of unit normals, none of them off chance, with a margin of 0.1: 857 of them."""
    needed = Claim("m", "j", 0, 0, Interval(-1.645, 1.645, 0.9), 0.5, 0.001, True, 0.1, 1.0, 1)
    count = needed.identities_for_equivalence
    means = np.random.default_rng(0).standard_normal(20_000) / np.sqrt(count)
    passed = np.abs(means) + 1.645 / np.sqrt(count) <= 0.1
    assert count == 857 and passed.mean() == pytest.approx(0.8, abs=0.01)


def test_without_an_interval_a_claim_is_above_chance_or_undecided():
    found = dataclasses.replace(claim(0.1, p=0.001), chance=0.05, interval=None)
    assert words(found) == ["above chance"]
    silent = dataclasses.replace(found, p_value=0.6, null_sd=0.01)
    assert words(silent) == ["not decided at this size (detectable effect ±0.028)"]


def test_the_detectable_effect_is_that_of_a_test_with_80_percent_power():
    # A 90 % interval of 0.1 is an error of 0.1 / (2 x 1.645) = 0.0304; 1.96 + 0.8416 of those.
    assert claim(0.5, 0.45, 0.55).detectable == pytest.approx(0.0304 * 2.8016, rel=1e-3)
    # An interval without width does not make everything detectable.
    assert claim(0.5, 0.5, 0.5, null_sd=0.01).detectable == pytest.approx(0.028, rel=1e-3)


def test_without_a_margin_nothing_is_equivalent():
    assert words(claim(0.5, 0.5, 0.5, margin=0.0)) == ["not decided at this size (detectable effect ±0.0028)"]


def test_one_judge_alone_is_said_where_competent_judges_disagree():
    strong = {"value": 0.8, "low": 0.75, "high": 0.85, "p": 0.001}
    claims = [
        claim(**strong),
        claim(judge="other"),
        claim(**strong, name="both"),
        claim(**strong, name="both", judge="other"),
        claim(**strong, name="one competent"),
        claim(name="one competent", judge="other", competent=False),
    ]
    assert [verdict.alone for verdict in verdicts(claims)] == [True, False, False, False, False, False]


def test_no_verdict_says_private_or_safe():
    said = " ".join(
        words(*(claim(v, v - w, v + w, p) for v in (0.3, 0.5, 0.7) for w in (0.01, 0.1) for p in (0.001, 1)))
    )
    assert "private" not in said and "safe" not in said
