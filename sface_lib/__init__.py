"""The library under the SFace report: synthetic faces, what they give away, and what can be learnt from them."""

__version__ = "0.1.0"
