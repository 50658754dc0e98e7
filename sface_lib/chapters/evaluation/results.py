"""What notebook 05 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class Accuracy(Facts):
    """Accuracy of a model on a benchmark: mean and standard deviation over seeds, 95 % interval, and the verdict.

    The verdict is "learnt", "did not learn", or "reference" for what every model must be above.
    """

    mean: float
    sd: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Gap(Facts):
    """A difference of two accuracies, as of the baseline and a model, and its 95 % interval; None where not known."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SetDifference(Facts):
    """Accuracy of CLS of one synthetic set minus that of another, in the mean of the benchmarks.

    `p_corrected` is two-sided and corrected for all pairs of sets (Holm).
    """

    first: str
    second: str
    difference: Gap
    p_corrected: float


@dataclass(frozen=True)
class EvaluationResults(Results):
    """Accuracy of every model, and the gap between authentic and synthetic training.

    Attributes
    ----------
    pairs
        Benchmark -> number of evaluated pairs.
    image_px, model_px
        Side of the images, and of what each model sees; None where that is not known.
    accuracy
        Benchmark -> model -> accuracy.
    mean_accuracy
        Model -> mean over the benchmarks.
    gap
        Benchmark, or "mean" where there are several -> model of a synthetic set, mixed with authentic images or not ->
        its gap to the baseline; empty without a baseline.
    between_sets
        Each two sets that train CLS; none where that is fewer than two, or the mean of the benchmarks has no interval.
    baseline_late_spread
        Spread of the last third of the baseline's curve; None where it was not taken.
    doubts
        Why the baseline is not trained out and the gap must not be relied on, as sentences without a full stop; none
        where it is.
    """

    VERSION = 5

    pairs: dict[str, int]
    folds: tuple[int, ...]
    image_px: int | None
    model_px: dict[str, int | None]
    seeds: int
    accuracy: dict[str, dict[str, Accuracy]]
    mean_accuracy: dict[str, float]
    gap: dict[str, dict[str, Gap]]
    between_sets: tuple[SetDifference, ...]
    baseline_late_spread: float | None
    doubts: tuple[str, ...]

    @property
    def overall_gap(self) -> tuple[str, dict[str, Gap]]:
        """The gap of each model in the mean of the benchmarks, or on the only one, and its name; none without."""
        return list(self.gap.items())[-1] if self.gap else ("", {})
