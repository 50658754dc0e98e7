"""What tests of every format of sets ask."""

import pytest

from sface_lib.data import open_faces
from sface_lib.errors import FacesError


def contents(faces):
    """The image files of a set, in its order."""
    return [faces.encoded(i) for i in range(len(faces))]


def refused(path, words):
    """Opening is refused in one sentence with these words."""
    with pytest.raises(FacesError, match=words) as caught:
        open_faces(path)
    assert "\n" not in str(caught.value)
