"""What notebook 06 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class ClassifierFacts(Facts):
    """The attribute classifier: hash of its weights, training data, attributes, and how many of them are reliable."""

    sha256: str
    trained_on: str
    attributes: tuple[str, ...]
    reliable: int


@dataclass(frozen=True)
class SetFacts(Facts):
    """A set that was compared; its role is "authentic" or "synthetic"."""

    name: str
    role: str
    images: int


@dataclass(frozen=True)
class DirectedFacts(Facts):
    """Divergence KL(p || q) of one set from another, in nats.

    Attributes
    ----------
    sum_over_variables, null, p_value
        Of the variables as if they were independent; what 95 of 100 random splits stay below; and the test.
    joint, low, high
        Of all attributes together, with its 95 % interval.
    auc, calibration_error
        Of the classifier that tells the two sets apart.
    """

    p: str
    q: str
    sum_over_variables: float
    null: float
    p_value: float
    joint: float
    low: float
    high: float
    auc: float
    calibration_error: float


@dataclass(frozen=True)
class DirectionFacts(Facts):
    """Which of two sets explains the other, by the sum over variables.

    Attributes
    ----------
    forward, backward
        KL(first || second) and KL(second || first), in nats.
    ratio
        The larger of them over the smaller one; None where that is 0, or the corrected difference turns them.
    difference, low, high
        Forward minus backward, corrected for the small number of identities, and its 95 % interval.
    p
        That the sets differ at all, corrected for all pairs of sets (Holm).
    """

    first: str
    second: str
    forward: float
    backward: float
    ratio: float | None
    difference: float
    low: float
    high: float
    p: float
    verdict: str


@dataclass(frozen=True)
class DriftCorrelation(Facts):
    """Rank correlation of the accuracy lost with an attribute's drift; `p` is corrected for all measures of drift."""

    correlation: float
    p: float


@dataclass(frozen=True)
class AttributeFindings(Facts):
    """What the comparison found.

    Attributes
    ----------
    compared
        The authentic and the synthetic set that drift is told of.
    attributes, drifted
        Those that are told reliably, and those of them that differ beyond chance.
    separable
        Degradation -> how many of the latter differ by more than it explains.
    drift_accuracy
        Measure of drift -> its correlation with the accuracy lost; None where too few attributes are carried.
    """

    classifier: ClassifierFacts
    sets: tuple[SetFacts, ...]
    compared: tuple[str, str]
    attributes: tuple[str, ...]
    drifted: tuple[str, ...]
    separable: dict[str, int]
    directed: tuple[DirectedFacts, ...]
    directions: tuple[DirectionFacts, ...]
    drift_accuracy: dict[str, DriftCorrelation | None]

    def direction(self, first: str, second: str) -> DirectionFacts:
        """The direction between two sets, in the order in which they were compared."""
        return next(d for d in self.directions if (d.first, d.second) == (first, second))


@dataclass(frozen=True)
class AttributesResults(Results):
    """What was found; None without a classifier."""

    VERSION = 5

    findings: AttributeFindings | None
