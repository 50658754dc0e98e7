"""Accuracy of each model beside the identity link of its training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sface_lib.biometrics import VerificationMetrics
from sface_lib.chapters.evaluation.results import Accuracy, EvaluationResults
from sface_lib.chapters.privacy.results import AuditFacts, JudgeFacts, LinkAtChance, PrivacyResults
from sface_lib.chapters.setspec import AUTHENTIC
from sface_lib.chapters.summary.answer import Answer
from sface_lib.chapters.summary.results import SummaryResults
from sface_lib.chapters.training.results import BY_LABELS, TrainingResults


@dataclass(frozen=True)
class ChosenJudge:
    """The judge whose link stands beside the accuracies.

    Attributes
    ----------
    standing
        "impartial": competent, and it taught no model. "teacher": the only competent one that may judge a set taught
        models, so that their link by it counts for nothing. "incompetent": no judge tells the authentic identities
        apart, so that no link by it counts.
    barred
        Set that it may not judge -> why, such as that it taught the set's generator.
    """

    name: str
    standing: Literal["impartial", "teacher", "incompetent"]
    barred: Mapping[str, str] = field(default_factory=dict)

    def doubts(self, taught: bool, learns_from: str = "") -> bool:
        """Whether its link must not be relied on beside a model of a set, `taught` by a teacher or not."""
        if learns_from in self.barred:
            return True
        return self.standing == "incompetent" or (self.standing == "teacher" and taught)


@dataclass(frozen=True)
class ModelBesideLink:
    """A model: what it learnt from, its accuracy on the first benchmark and in the mean of all, and the links.

    Where there are no models, a set stands in the place of one.

    Attributes
    ----------
    link
        The same-label link of its training images by the chosen judge; None for a reference, which learnt from none,
        and for a set whose classes do not stand for authentic identities.
    shuffle
        That link against the null of the set; None for the baseline, too.
    label_free
        Share of its set's classes that are nearer to a training person than to any control person; None for a reference
        and the baseline, and without control persons who could stand for training persons.
    taught
        Whether it learnt from a teacher, too.
    """

    name: str
    strategy: str
    learns_from: str
    accuracy: Accuracy | None
    mean_accuracy: float | None
    link: VerificationMetrics | None = None
    shuffle: LinkAtChance | None = None
    label_free: LinkAtChance | None = None
    taught: bool = False


@dataclass(frozen=True)
class Summary:
    """The models and the references under them, on the first of some benchmarks, with the judge of the links.

    Where there are no models, the sets and no benchmark. `audited` is what notebook 03 found of the first set.
    """

    audited: AuditFacts
    benchmark: str | None
    n_benchmarks: int
    judge: ChosenJudge
    models: tuple[ModelBesideLink, ...]
    references: tuple[ModelBesideLink, ...]

    def __getitem__(self, name: str) -> ModelBesideLink:
        return next(model for model in (*self.models, *self.references) if model.name == name)

    @property
    def by_labels(self) -> list[ModelBesideLink]:
        """The models that learnt from a synthetic set by its labels alone."""
        return [m for m in self.models if m.strategy in BY_LABELS and m.learns_from != AUTHENTIC]

    def doubts(self, model: ModelBesideLink) -> bool:
        """Whether the links of a model's training images must not be relied on."""
        return self.judge.doubts(model.taught, model.learns_from)


def choose_judge(
    judges: Mapping[str, JudgeFacts], sets: Sequence[AuditFacts], teacher_sha256: str | None
) -> ChosenJudge:
    """One judge for all sets: competent, of another model than the teacher's, and one that may judge most of them.

    As far as there are any; of several the strongest on the first set. Raw pixels, which have no weights, are
    asked only where no model is competent.
    """
    barred = {name: {each.name: each.barred[name] for each in sets if name in each.barred} for name in judges}
    competent = {name: facts.sha256 for name, facts in judges.items() if facts.is_competent_model}
    judging = [name for name in competent if len(barred[name]) < len(sets)] or list(competent)
    impartial = [name for name in judging if competent[name] != teacher_sha256]
    asked = impartial or judging or judges
    name = max(asked, key=lambda name: (-len(barred[name]), sets[0].nearness(name)))
    return ChosenJudge(name, "impartial" if impartial else "teacher" if competent else "incompetent", barred[name])


def summarise(
    privacy: PrivacyResults, training: TrainingResults | None, evaluation: EvaluationResults | None
) -> Summary:
    """Each model beside the links of the images it learnt from, by one judge for all; of none the sets alone."""
    judge = choose_judge(privacy.judges, privacy.sets, training and training.teacher_sha256)
    if training is None or evaluation is None:
        sets = (
            ModelBesideLink(each.name, "none", each.name, None, None, **_links(privacy, each.name, judge))
            for each in privacy.sets
        )
        return Summary(privacy.sets[0], None, 0, judge, tuple(sets), ())
    benchmark, accuracy = next(iter(evaluation.accuracy.items()))
    models = {}
    for model in training.models:
        if model.compared and model.name not in models:
            about = accuracy[model.name], evaluation.mean_accuracy[model.name]
            learnt = {"taught": model.taught} | _links(privacy, model.trained_on, judge)
            models[model.name] = ModelBesideLink(model.name, model.strategy, model.trained_on, *about, **learnt)
    references = tuple(
        ModelBesideLink(name, "none", "none", estimate, evaluation.mean_accuracy[name])
        for name, estimate in accuracy.items()
        if estimate.verdict == "reference"
    )
    return Summary(privacy.sets[0], benchmark, len(evaluation.accuracy), judge, tuple(models.values()), references)


def _links(privacy: PrivacyResults, name: str, judge: ChosenJudge) -> dict[str, Any]:
    """The links of a set: of the authentic one those of its identities; none where notebook 03 failed on it."""
    if name == AUTHENTIC:
        return {"link": privacy.judges[judge.name].authentic}
    own = next((each for each in privacy.sets if each.name == name), None)
    if own is None:
        return {}
    free = own.label_free.get(judge.name) if own.control_is_exchangeable else None
    return {"link": own.link(judge.name), "shuffle": own.shuffle.get(judge.name), "label_free": free}


def results(answers: Sequence[Answer], summary: Summary) -> SummaryResults:
    """What readers of the run folder find."""
    by = {each.name: tuple(f"{claim.claim}, {claim.judge}" for claim in each.above) for each in answers}
    return SummaryResults({each.name: each.word for each in answers}, by, summary.judge.standing == "teacher")
