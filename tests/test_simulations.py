"""Small forms of the simulations, on shipped persons by the shipped verifier."""

import pytest
import simulate
from simulated_pool import Pool

from sface_lib.engine import make_accelerator
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.recognition import embed_faces, open_model


@pytest.fixture(scope="module")
def pool():
    """A hundred persons, ten images each."""
    faces = shipped_faces("balanced")
    faces = faces.subset(first_images(faces, 100, 10))
    rows = embed_faces(open_model(VERIFIER_PATH), faces, make_accelerator("float32"))
    return Pool(rows.reshape(100, 10, -1))


def test_membership_of_images_is_seen_where_images_were_copied_and_nowhere_else(pool):
    nothing, copied = simulate.membership(pool, "verifier", draws=60, persons=(50,))
    assert nothing.is_error and nothing.met and copied.met and not copied.is_error


def test_a_rate_of_errors_may_be_what_a_test_of_five_percent_shows():
    """Of 400 draws at most 29, of 60 at most 7; a floor is a share of the draws."""
    assert simulate.Counted("", 400, 29, True).met and not simulate.Counted("", 400, 30, True).met
    assert simulate.Counted("", 60, 7, True).most == 7
    assert simulate.Counted("", 400, 320, False, 0.8).met and not simulate.Counted("", 400, 319, False, 0.8).met
    row = simulate.Counted("verifier, 50 persons", 400, 20, True).cells()
    assert row == ("verifier, 50 persons", "20 of 400", "0.050 [0.033, 0.076]", "at most 29", "yes")
