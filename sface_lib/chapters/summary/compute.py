"""Accuracy of each model beside the identity link of its training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sface_lib.biometrics import VerificationMetrics
from sface_lib.chapters.evaluation.results import Accuracy, EvaluationResults
from sface_lib.chapters.privacy.results import AuditFacts, JudgeFacts, PrivacyResults
from sface_lib.chapters.summary.answer import Answer
from sface_lib.chapters.summary.results import SummaryResults
from sface_lib.chapters.training.results import TrainingResults

LEARNS_FROM = {"baseline": "authentic", "CLS": "synthetic", "KT": "synthetic", "CL": "synthetic"}
TAUGHT = ("KT", "CL")


@dataclass(frozen=True)
class ChosenJudge:
    """The judge whose link stands beside the accuracies.

    Attributes
    ----------
    standing
        "impartial": competent, and it taught nobody. "teacher": the only competent one taught KT and CL, so that their
        link by it counts for nothing. "incompetent": no judge tells the authentic identities apart, so that no link by
        it counts.
    """

    name: str
    standing: Literal["impartial", "teacher", "incompetent"]

    def doubts(self, model: str) -> bool:
        """Whether its link must not be relied on beside a model."""
        return self.standing == "incompetent" or (self.standing == "teacher" and model in TAUGHT)


@dataclass(frozen=True)
class ModelBesideLink:
    """A model: what it learnt from, its accuracy on the first benchmark and in the mean of all, and the link.

    `link` is that of its training images by the chosen judge; None for a floor, which learnt from none.
    """

    name: str
    learns_from: str
    accuracy: Accuracy
    mean_accuracy: float
    link: VerificationMetrics | None


@dataclass(frozen=True)
class Summary:
    """The four models and the floors under them, on the first of some benchmarks, with the judge of the link.

    `audited` is what notebook 03 found of the set that CLS, KT and CL learnt from.
    """

    audited: AuditFacts
    benchmark: str
    n_benchmarks: int
    judge: ChosenJudge
    models: tuple[ModelBesideLink, ...]
    floors: tuple[ModelBesideLink, ...]

    def __getitem__(self, name: str) -> ModelBesideLink:
        return next(model for model in (*self.models, *self.floors) if model.name == name)


def choose_judge(judges: Mapping[str, JudgeFacts], audited: AuditFacts, teacher_sha256: str) -> ChosenJudge:
    """The judge that sees most of a set, among those that are competent and taught nobody, as far as there are any.

    Raw pixels, which have no weights, are asked only where no model is competent.
    """
    competent = {name: facts for name, facts in judges.items() if facts.competent and facts.sha256}
    impartial = {name: facts for name, facts in competent.items() if facts.sha256 != teacher_sha256}
    asked = impartial or competent or judges
    name = max(asked, key=audited.nearness)
    return ChosenJudge(name, "impartial" if impartial else "teacher" if competent else "incompetent")


def summarise(privacy: PrivacyResults, training: TrainingResults, evaluation: EvaluationResults) -> Summary:
    """Each model beside the link of the images it learnt from, by one judge for all."""
    audited = privacy.sets[0]
    judge = choose_judge(privacy.judges, audited, training.teacher_sha256)
    link = {"authentic": privacy.judges[judge.name].authentic, "synthetic": audited.link(judge.name)}
    benchmark, accuracy = next(iter(evaluation.accuracy.items()))
    floors = {name: "none" for name, found in accuracy.items() if found.verdict == "floor"}
    models, below = (
        tuple(
            ModelBesideLink(name, images, accuracy[name], evaluation.mean_accuracy[name], link.get(images))
            for name, images in learners.items()
        )
        for learners in (LEARNS_FROM, floors)
    )
    return Summary(audited, benchmark, len(evaluation.accuracy), judge, models, below)


def results(answers: Sequence[Answer], summary: Summary) -> SummaryResults:
    """What readers of the run folder find."""
    by = {each.name: tuple(f"{claim.claim}, {claim.judge}" for claim in each.above) for each in answers}
    return SummaryResults({each.name: each.word for each in answers}, by, summary.judge.standing == "teacher")
