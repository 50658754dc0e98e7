"""Judges that are given as vectors of named images: what they lack is told before anything is computed."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sface_lib.data import FaceSet
from sface_lib.errors import InputError
from sface_lib.recognition.given_embeddings import holds_embeddings, open_embeddings


def check_vectors(judges: Mapping[str, str | Path], sets: Iterable[FaceSet], generates: bool) -> None:
    """Refuse vectors that lack an image which they must judge.

    Parameters
    ----------
    judges
        Path of each judge by the name of its parameter; those with a network are passed over.
    sets
        What is judged; opened only where a judge holds vectors.
    generates
        Whether this run draws a set: nobody can have named its images before.

    Raises
    ------
    InputError
        A set is drawn in this run; or an image of a set has no vector, or several, see `GivenEmbeddings.of`.
    """
    given = {name: path for name, path in judges.items() if holds_embeddings(path)}
    for name, path in given.items():
        if generates:
            raise InputError(
                f"{name} = '{path}' holds vectors of named images, and can have none of those that this run's "
                "generator draws; give the weights of a recognition model, or leave 'generated' out of synthetic"
            )
    sets = list(sets) if given else []
    for path in given.values():
        vectors = open_embeddings(path)
        for faces in sets:
            vectors.of(faces)
