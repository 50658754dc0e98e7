"""What notebook 02 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class GeneratedFacts(Facts):
    """The training of this run's generator, and the quality of its set.

    Attributes
    ----------
    kind
        Of the generator: a name in `GENERATORS`.
    kimg, kimg_before
        Thousand images that the generator has seen, and those of them before this run.
    images_per_second
        Of the training at its end; None where nothing was trained.
    generator_parameters
        Number of weights.
    quality
        Measure -> its value of the synthetic set.
    memorisation_auc
        Training images against held-out ones; None where there are none of the latter.
    shortcomings
        Sentences about what the set lacks.
    precision
        accelerate's name of the mixed precision: "no" or "bf16".
    """

    kind: str
    kimg: float
    kimg_before: float
    images_per_second: float | None
    generator_parameters: int
    synthetic_images: int
    classes: int
    resolution_px: int
    quality: dict[str, float]
    memorisation_auc: float | None
    shortcomings: tuple[str, ...]
    precision: str
    device: str


@dataclass(frozen=True)
class Distinct(Facts):
    """How many persons the classes of a set are, by links between their templates at one FMR.

    Attributes
    ----------
    fmr
        Share of the pairs of authentic persons' templates, of as many images, that are linked.
    images
        Images of a template, at most.
    classes
        Classes that are linked.
    identities
        Components of them.
    false_links
        Links that are expected at this rate where every class is another person.
    compared
        As many classes of both sets, drawn at random.
    of_compared, of_authentic
        Components of those of this set, and of the authentic set's, at the same threshold.
    recognised
        Share of authentic persons whose templates of other images are linked with their first: what share of the links
        is seen. None where no person has enough images.
    """

    fmr: float
    images: int
    classes: int
    identities: int
    false_links: float
    compared: int
    of_compared: int
    of_authentic: int
    recognised: float | None


@dataclass(frozen=True)
class SetDescription(Facts):
    """A set of faces; None where something was not measured.

    Attributes
    ----------
    images, classes
        Of the whole set; no classes without labels.
    sampled
        Images that sizes, copies, sharpness and classes are judged by.
    inspected, undecodable
        Images of the sample and of class templates, and those of them that cannot be decoded, and count in nothing
        else.
    sizes_px
        The three most common sizes, as "width x height", and the share of the sampled images that has each.
    copies
        Share of sampled images whose file is equal to that of an earlier one, byte for byte. In a set that is larger
        than the sample, copies of images in other classes are met by chance alone: there are at least so many.
    near_copies
        Share whose score with an earlier one is `near_copy_score` or more; copies are among them. None where the
        verifier is given as vectors.
    near_copy_score
        What half of 200 authentic images score with themselves saved as JPEG of quality 60, at the verifier's size.
    sharpness
        Fine detail (mean square of the Laplacian at 112 px) over that of authentic images; noise counts as detail.
    without_eyes, looked_at
        Share of images in which dlib's frontal detector finds no face, or an eye farther from its place in a face that
        is aligned to the ArcFace template than a fifth of the eyes' distance; and how many were looked at. Turned,
        masked and badly drawn faces are among them, and nearly all of a set that is not aligned to that template:
        compare with the authentic share. None without the extra `align`.
    eer, scored_images, scored_classes
        EER of all pairs of classes drawn at random from the sample, by the verifier, and how much it is of.
    consistency
        Mean genuine score of a class, averaged over the sampled classes.
    diversity
        Spread of pose, light, expression and pixels within a class over the authentic spread, averaged over 500 classes
        at most, drawn at random from the sample, and ten images of each.
    distinct
        How many persons the classes are: at an FMR of 0.1 %, and at a lower one where false links would be many. Empty
        where there are too few authentic persons to show the rate.
    several_persons, judged_classes
        Share of the sampled classes of four images or more that hold several persons, and how many these are.
    """

    images: int
    classes: int | None
    sampled: int
    inspected: int
    undecodable: int
    sizes_px: dict[str, float]
    copies: float
    near_copies: float | None
    near_copy_score: float | None
    sharpness: float
    without_eyes: float | None
    looked_at: int
    eer: float | None
    scored_images: int
    scored_classes: int
    consistency: float | None
    diversity: float | None
    distinct: tuple[Distinct, ...]
    several_persons: float | None
    judged_classes: int


@dataclass(frozen=True)
class GenerationResults(Results):
    """What notebook 02 finds.

    Attributes
    ----------
    generated
        None where all synthetic sets were given.
    described
        The authentic training set, which comes first, and every synthetic one.
    failed
        Synthetic set that could not be described -> why.
    """

    VERSION = 5

    generated: GeneratedFacts | None
    described: dict[str, SetDescription]
    failed: dict[str, str]
