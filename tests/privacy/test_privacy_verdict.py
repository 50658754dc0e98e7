"""Verdicts follow from the evidence by rule."""

import numpy as np
import pytest

from sface_lib.biometrics import Interval
from sface_lib.privacy import Claim, holm, supported_by, verdicts


def claim(value=0.5, low=0.45, high=0.55, p=0.5, name="link", judge="verifier", competent=True, **changes) -> Claim:
    evidence = {"margin": 0.02, "null_sd": 0.001} | changes
    return Claim(name, judge, value, 0.5, Interval(low, high, 0.9, 500), p, competent, **evidence)


def words(*claims: Claim) -> list[str]:
    return [verdict for _, verdict in verdicts(claims)]


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
    assert found[0] == (pytest.approx(0.03), "above chance")
    assert {p for p, _ in found[1:]} == {None}


def test_the_detectable_effect_is_that_of_a_test_with_80_percent_power():
    # A 90 % interval of 0.1 is an error of 0.1 / (2 x 1.645) = 0.0304; 1.96 + 0.8416 of those.
    assert claim(0.5, 0.45, 0.55).detectable == pytest.approx(0.0304 * 2.8016, rel=1e-3)
    # An interval without width does not make everything detectable.
    assert claim(0.5, 0.5, 0.5, null_sd=0.01).detectable == pytest.approx(0.028, rel=1e-3)


def test_without_a_margin_nothing_is_equivalent():
    assert words(claim(0.5, 0.5, 0.5, margin=0.0)) == ["not decided at this size (detectable effect ±0.0028)"]


def test_a_claim_that_one_judge_alone_supports_can_be_told():
    strong = {"value": 0.8, "low": 0.75, "high": 0.85, "p": 0.001}
    claims = [
        claim(**strong),
        claim(judge="other"),
        claim(**strong, name="b"),
        claim(**strong, name="b", judge="other"),
    ]
    assert supported_by(claims) == {"link": ["verifier"], "b": ["verifier", "other"]}


def test_no_verdict_says_private_or_safe():
    said = " ".join(
        words(*(claim(v, v - w, v + w, p) for v in (0.3, 0.5, 0.7) for w in (0.01, 0.1) for p in (0.001, 1)))
    )
    assert "private" not in said and "safe" not in said
