"""The one tree of errors that a user may see.

Every message is one clear sentence (two at most): the parameter or file, the value found, what is allowed,
and what to do next.
"""

from collections.abc import Sequence


def how_to_install(extra: str) -> str:
    """What to do where the packages of an extra are missing: by the checkout, as the name is nobody's on an index."""
    return f"run pip install -e '.[{extra}]' in the checkout"


class SfaceError(Exception):
    """Base of every error that this program raises on purpose."""


class InputError(SfaceError, ValueError):
    """A value, array or file given by the user cannot be used."""


class ParameterError(InputError):
    """A parameter is unknown, of the wrong type, or out of its range."""


class FacesError(InputError):
    """A set of faces cannot be opened, read or written."""


class BadImageError(FacesError):
    """Images of a set cannot be decoded.

    Attributes
    ----------
    bad
        Pairs of (name within the set, reason), every bad image that was met.
    """

    def __init__(self, message: str, bad: Sequence[tuple[str, str]] = ()):  # Pickling gives the message alone.
        super().__init__(message)
        self.bad = bad


class NumberedFoldersError(FacesError):
    """The numbered folders of a set may be identities or mere shares of its files: a word must say which.

    Attributes
    ----------
    problem
        What is wrong, without what to do about it.
    """

    def __init__(self, message: str, problem: str = ""):
        super().__init__(message)
        self.problem = problem


class ProtocolError(InputError):
    """A verification protocol cannot be read, or does not fit the set it is used with."""


class WeightsError(InputError):
    """Model weights cannot be read, or do not fit the network."""


class CheckpointError(SfaceError):
    """A checkpoint is damaged, or belongs to another data set or configuration."""


class TrainingError(SfaceError):
    """Training cannot go on, e.g. a loss is not finite; the last checkpoint stands."""


class RunError(SfaceError):
    """A run of the report cannot start or go on."""
