"""Parameters of notebook 07: everything else is read from results."""

from sface_lib.chapters.shared import Models


class SummaryParameters(Models):
    """What notebook 07 reads: whether there are models to tell of."""
