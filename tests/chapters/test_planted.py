"""Copies are planted for judges that can embed altered images."""

from types import SimpleNamespace

from sface_lib.chapters.privacy import compute
from sface_lib.chapters.privacy.parameters import AuditSettings


def test_no_copies_are_planted_for_pixels_and_for_vectors_that_were_given(monkeypatch):
    monkeypatch.setattr(compute, "make_pictures", lambda *_: "pictures")
    monkeypatch.setattr(compute, "plant_copies", lambda embed, *_: embed("altered"))
    sets = SimpleNamespace(authentic=["rows"], synthetic=["rows"], control=None, held_out=None)
    judges = {"model": ("network", len), "given": ("vectors", None), "raw pixels": (None, None)}
    views = [
        SimpleNamespace(name=name, judge=SimpleNamespace(model=model, embed_images=embed), sets=sets, barred={})
        for name, (model, embed) in judges.items()
    ]
    assert compute.plant(sets, views, AuditSettings()) == {"model": len("altered")}
