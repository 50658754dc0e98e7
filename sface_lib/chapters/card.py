"""A card for one set of faces: what it holds, what a verifier sees in it, and how near it comes to an authentic set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.attributes import annotate_faces, open_classifier
from sface_lib.chapters.generation.describe import (
    MOST_OF_CLASS,
    MOST_SCORED,
    describe,
    measure_reference,
    sample_images,
)
from sface_lib.chapters.generation.results import SetDescription
from sface_lib.chapters.privacy.compute import audit
from sface_lib.chapters.privacy.results import AuditFacts
from sface_lib.chapters.setspec import SetSpec
from sface_lib.chapters.synthetic import open_given
from sface_lib.data import FaceSet, open_faces
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file
from sface_lib.matching import compare_within
from sface_lib.privacy.judges import open_judge
from sface_lib.recognition import Embedder
from sface_lib.run import Results

MOST_ANNOTATED = 2000
CROISSANT = "http://mlcommons.org/croissant/1.0"
# What lies in the set -> how Croissant calls it.
ENCODINGS = {
    "zip": "application/zip",
    "tar": "application/x-tar",
    "WebDataset": "application/x-tar",
    "parquet": "application/x-parquet",
}


@dataclass(frozen=True)
class SetCard(Results):
    """What is known of a set of faces.

    Attributes
    ----------
    kind
        "folder", "zip", "parquet" and so on.
    undecodable
        Images that cannot be decoded; they count in nothing else but `images`, and in `identities` where one has no
        other.
    identities, images_of_identity
        None, and empty, without labels; else how many, and "min", "median" and "max" usable images of one.
    sizes_px
        Size, as "width x height" -> images.
    fingerprint
        SHA-256 of the contents of all images with their labels.
    judge, judge_sha256, judge_trained_on
        The verifier that was asked.
    eer_within, scored_images
        EER of all pairs of so many images, of classes drawn at random; None without labels.
    attributes, annotated_images
        Attribute -> share of so many images that the classifier says have it; empty without a classifier.
    described, authentic
        The set beside an authentic one, and that one; None without.
    audit
        What the set gives away of the authentic persons; None without an authentic set.
    """

    VERSION = 2

    name: str
    kind: str
    images: int
    undecodable: int
    identities: int | None
    images_of_identity: dict[str, float]
    sizes_px: dict[str, int]
    fingerprint: str
    judge: str
    judge_sha256: str
    judge_trained_on: str
    eer_within: float | None
    scored_images: int
    attributes: dict[str, float]
    annotated_images: int
    described: SetDescription | None
    authentic: SetDescription | None
    audit: AuditFacts | None


def make_card(
    name: str,
    spec: SetSpec,
    verifier: str | Path,
    embedder: Embedder,
    *,
    against: str | Path | None = None,
    control: str | Path | None = None,
    classifier: str | Path | None = None,
    seed: int = 0,
) -> SetCard:
    """Look at a set.

    Parameters
    ----------
    name
        What the set is called.
    spec
        The set; what its classes are counts only against an authentic set.
    verifier
        Weights of the recognition model that is asked.
    against
        An authentic set, to say what the set gives away of its persons.
    control
        Persons of the authentic ones' distribution who trained nothing.
    classifier
        Weights of an attribute classifier.

    Raises
    ------
    InputError
        `control` without `against`.
    FacesError
        A set cannot be opened.
    BadImageError
        The authentic set or the control persons hold images that cannot be decoded.
    """
    if control is not None and against is None:
        raise InputError("--control says who is no training person, which takes --against; give both, or neither")
    judge = open_judge("verifier", verifier, embedder)
    authentic = None if against is None else open_faces(against)
    given = open_given(spec, () if authentic is None else authentic.identities, on_bad_image="skip")
    manifest, given = given.faces.inspect(), given.usable()
    faces = given.faces
    scored = faces.subset(sample_images(faces, MOST_OF_CLASS, seed, MOST_SCORED))
    described = [None, None]
    if authentic is not None:
        measured = {"verifier": judge.model, "embedder": embedder, "seed": seed}
        reference = measure_reference(authentic, **measured)
        described = [describe(each, reference=reference, **measured) for each in (faces, authentic)]
    attributes, annotated = _attributes(faces, classifier, embedder, seed)
    return SetCard(
        name=name,
        kind=faces.kind,
        images=manifest.n_images,
        undecodable=len(manifest.bad),
        identities=None if faces.labels is None else manifest.n_identities,
        images_of_identity=manifest.images_per_identity or {},
        sizes_px=dict(manifest.sizes),
        fingerprint=manifest.fingerprint,
        judge=Path(verifier).name,
        judge_sha256=judge.sha256,
        judge_trained_on=str(judge.model.description["trained_on"]),
        eer_within=_eer_within(scored, judge.embed(scored)),
        scored_images=len(scored),
        attributes=attributes,
        annotated_images=annotated,
        described=described[0],
        authentic=described[1],
        audit=None
        if authentic is None
        else audit(
            authentic, given, [judge], control=control and open_faces(control), accelerator=embedder.accelerator
        ),
    )


def _eer_within(faces: FaceSet, rows: np.ndarray) -> float | None:
    counts = () if faces.labels is None else np.unique(faces.labels, return_counts=True)[1]
    if len(counts) < 2 or max(counts) < 2:
        return None
    return compare_within(rows, faces.labels).metrics().eer


def _attributes(
    faces: FaceSet, classifier: str | Path | None, embedder: Embedder, seed: int
) -> tuple[dict[str, float], int]:
    """Shares of the images of a sample, of attributes that are told reliably."""
    if classifier is None:
        return {}, 0
    opened = open_classifier(classifier)
    sample = faces.subset(np.sort(np.random.default_rng(seed).permutation(len(faces))[:MOST_ANNOTATED]))
    present = (annotate_faces(opened, sample, embedder, seed).label == 1).mean(0)
    told = zip(opened.names, present.tolist(), opened.reliable(), strict=True)
    return {name: share for name, share, reliable in told if reliable}, len(sample)


def tables(card: SetCard) -> dict[str, pd.DataFrame]:
    """The card as tables, by their captions."""
    own = {
        "images": f"{card.images:,}",
        "undecodable images": f"{card.undecodable:,}",
        "identities": "none: the set has no labels" if card.identities is None else f"{card.identities:,}",
        "images of an identity": ", ".join(f"{name} {count:g}" for name, count in card.images_of_identity.items())
        or "–",
        "sizes (px)": ", ".join(f"{size}: {count:,}" for size, count in card.sizes_px.items()),
        "kind": card.kind,
        "fingerprint": card.fingerprint,
        "verifier": f"{card.judge} (trained on: {card.judge_trained_on}), SHA-256 {card.judge_sha256[:12]}",
        "EER within (%)": "–"
        if card.eer_within is None
        else f"{100 * card.eer_within:.2f} of {card.scored_images:,} images",
    }
    frames = {"What the set holds.": pd.DataFrame(own.items(), columns=["what", "value"])}
    if card.described:
        both = [vars(each) for each in (card.described, card.authentic)]
        rows = [(name.replace("_", " "), *(each[name] for each in both)) for name in both[0] if _is_number(both, name)]
        caption = "The set beside the authentic one: see the report's notebook 02 for what each figure is."
        frames[caption] = pd.DataFrame(rows, columns=["measure", "set", "authentic"])
    if card.audit:
        claims = [
            {"claim": each.claim, "value": each.value, "chance": each.chance, "comparisons": each.comparisons}
            | {"subjects": each.subjects, "what is supported": each.verdict}
            for each in card.audit.claims
        ]
        frames["What it gives away of the authentic persons: see docs/auditing.md."] = pd.DataFrame(claims)
        leaks = [
            {"at least (%)": 100 * leak.bound, "confidence (%)": 100 * leak.level, "persons": leak.persons}
            for leak in card.audit.leak.values()
        ]
        if leaks:
            frames["Share of classes nearer to a training person than the floor explains."] = pd.DataFrame(leaks)
    if card.attributes:
        shares = [(name, 100 * share) for name, share in card.attributes.items()]
        caption = f"Attributes, in % of {card.annotated_images:,} images, as a classifier tells them."
        frames[caption] = pd.DataFrame(shares, columns=["attribute", "share (%)"])
    return frames


def _is_number(tables: list[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(table[name], int | float) for table in tables)


def croissant(card: SetCard, path: str | Path, licence: str, credit: str, description: str) -> dict[str, Any]:
    """Croissant metadata of a set (MLCommons, version 1.0), as JSON-LD.

    A file is described with its hash; of a zip, tar or folder the images and identity folders inside, of a parquet its
    columns. Of other kinds Croissant describes the file alone, and of a folder of shards nothing but the set.
    """
    path, records = Path(path), []
    files = [_file_object(path, card.kind)] if path.is_file() else []
    if card.kind in ("zip", "tar", "folder"):
        images = {"@type": "cr:FileSet", "@id": "images", "name": "images"}
        inside = {"containedIn": {"@id": path.name}} if files else {}
        files.append(images | inside | {"encodingFormat": ["image/png", "image/jpeg"], "includes": "**/*.*"})
        records = [_record_set({"fileSet": {"@id": "images"}}, {"fileProperty": "content"}, card)]
    elif card.kind == "parquet":
        records = [_record_set({"fileObject": {"@id": path.name}}, {"column": "image"}, card)]
    said = description or f"{card.images:,} images of faces" + (
        f", {card.identities:,} identities" if card.identities else ""
    )
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": card.name,
        "description": said,
        "conformsTo": CROISSANT,
        "url": path.name,
        "license": licence or "not stated",
        "citeAs": credit,
        "version": "1.0.0",
        "distribution": files,
        "recordSet": records,
    }


def _file_object(path: Path, kind: str) -> dict[str, Any]:
    about = {"@type": "cr:FileObject", "@id": path.name, "name": path.name, "contentUrl": path.name}
    encoding = ENCODINGS.get(kind, "application/octet-stream")
    return about | {
        "encodingFormat": encoding,
        "sha256": sha256_of_file(path),
        "contentSize": f"{path.stat().st_size} B",
    }


def _record_set(source: dict[str, Any], extract: dict[str, Any], card: SetCard) -> dict[str, Any]:
    """A record an image: its pixels and, where the set has labels, its identity."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": "faces/image",
            "name": "image",
            "dataType": "sc:ImageObject",
            "source": source | {"extract": extract},
        }
    ]
    if card.identities is not None:
        label = (
            {"extract": {"column": "label"}}
            if "column" in extract
            else {
                "extract": {"fileProperty": "fullpath"},
                "transform": {"regex": "^(?:.*/)?([^/]+)/[^/]+$"},
            }
        )
        fields.append(
            {
                "@type": "cr:Field",
                "@id": "faces/identity",
                "name": "identity",
                "dataType": "sc:Integer" if "column" in extract else "sc:Text",
                "source": source | label,
            }
        )
    return {"@type": "cr:RecordSet", "@id": "faces", "name": "faces", "field": fields}


_CR = (
    "citeAs",
    "column",
    "extract",
    "field",
    "fileProperty",
    "fileObject",
    "fileSet",
    "format",
    "includes",
    "jsonPath",
)
_CR += ("isLiveDataset", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace")
_CR += ("separator", "source", "subField", "transform")
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {name: f"cr:{name}" for name in _CR}
