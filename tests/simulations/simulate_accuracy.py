"""Differences in accuracy between models of several sets, each trained with three seeds, as the report judges them.

All models see the same pairs of persons. A model adds noise of its own to the embeddings, by which it is weaker, and a
seed scales every number of an embedding by chance; both are drawn anew in every draw. *Equally good*: the noise of all
models has one size, so that no difference may be called: neither that of two models, nor any of the six of four models
after Holm. *One weaker*: one of them has more noise, and its differences to the others must be called. *One seed*: what
a family of models that were trained once calls where all are equally good is told, without a bar, as what seeds add
cannot be known then.
"""

from types import SimpleNamespace

import numpy as np
from counting import ALPHA, DRAWS, Counted, errors, power
from simulate_intervals import accuracies
from simulated_pool import Pool

from sface_lib.biometrics import PairMean
from sface_lib.chapters.evaluation.compute import between_sets

EQUAL, WEAKER = 0.6, 1.2  # Noise of each.
MODELS = 4
PERSONS = {50: 0.5, 200: 0.8}  # And what share of the draws must show the weaker one.


def accuracy(pool: Pool, judge: str, draws: int = DRAWS, persons: tuple[int, ...] = tuple(PERSONS)) -> list[Counted]:
    """Rows for each size."""
    found = []
    for count in persons:
        said = np.zeros(5, int)
        for i in range(draws):
            random = np.random.default_rng([7, count, i])
            equal = accuracies(pool, count, random, (EQUAL,) * MODELS)
            weaker = accuracies(pool, count, random, (EQUAL,) * (MODELS - 1) + (WEAKER,))
            once = [seeds[:1] for seeds in equal]
            said += [any(called(models)) for models in (equal[:2], equal, weaker[-2:], weaker, once)]
        of = f"{judge}, {count} persons"
        two, any_, one_of_two, one_of_six, single = said.tolist()
        found += [
            errors(f"{of}, two models, equally good: difference", draws, two),
            errors(f"{of}, four models, equally good: any difference after Holm", draws, any_),
            power(f"{of}, two models, one weaker: difference", draws, one_of_two, PERSONS[count]),
            power(f"{of}, four models, one weaker: any difference after Holm", draws, one_of_six, PERSONS[count]),
            Counted(f"{of}, four models of one seed, equally good: any difference after Holm", draws, single),
        ]
    return found


def called(models: list[list[PairMean]]) -> list[bool]:
    """Which differences of every two models the report calls, given the accuracy of each by its seeds."""
    names = [f"model {i}" for i in range(len(models))]
    evaluations = ([SimpleNamespace(mean=mean) for mean in own] for own in models)
    on_pairs = {name: SimpleNamespace(evaluations=own) for name, own in zip(names, evaluations, strict=True)}
    evaluated = SimpleNamespace(
        by_benchmark={"pairs": on_pairs},
        pairs={},
        by_labels=names,
        trained={name: SimpleNamespace(trained_on=name) for name in names},
    )
    return [each.p_corrected <= ALPHA for each in between_sets(evaluated)]
