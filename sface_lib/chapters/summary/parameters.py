"""Notebook 07 has no parameters: everything is read from results."""

from sface_lib.run.parameters import Parameters


class SummaryParameters(Parameters):
    """None."""
