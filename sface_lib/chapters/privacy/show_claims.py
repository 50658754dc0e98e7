"""The claims of all sets and what the evidence supports, and what the filters leave."""

import dataclasses
from collections.abc import Container, Sequence

import numpy as np
import pandas as pd

from sface_lib.chapters.privacy.claims import deviations
from sface_lib.chapters.privacy.compute import Audit, Audits
from sface_lib.chapters.privacy.results import ClaimFacts
from sface_lib.chapters.privacy.show_sets import by_set
from sface_lib.chapters.words import capitalised, p_in_words, the
from sface_lib.privacy.verdict import BARRED

BY_BARRED = f"{BARRED} (see the card)"


def claims(facts: Sequence[ClaimFacts], barred: Container[str] = ()) -> pd.DataFrame:
    """What the evidence on a set supports, claim by claim; `barred` are judges that may not judge it."""
    rows = [
        {
            "claim": claim.claim,
            "judge": claim.judge,
            "value": claim.value,
            "chance": claim.chance,
            "90 % low": claim.low,
            "90 % high": claim.high,
            "p, corrected": p_in_words(claim.p_corrected, claim.p_at_floor),
            "verdict": BY_BARRED if claim.judge in barred else _verdict(claim),
            "comparisons": claim.comparisons,
            "subjects": claim.subjects,
        }
        for claim in facts
    ]
    return pd.DataFrame(rows).astype({"comparisons": "Int64"}).sort_values("claim", kind="stable")


def _verdict(claim: ClaimFacts) -> str:
    return claim.verdict + (f" ({'; '.join(claim.notes)})" if claim.notes else "")


def all_claims(audits: Audits) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The claims on every set, and the cells of values that support none."""
    table = by_set(audits.done, lambda audited: claims(audited.claims, audited.barred))
    barred = np.flatnonzero(table["verdict"].str.startswith(BARRED))
    return table, [(int(row), column) for row in barred for column in ("value", "90 % low", "90 % high")]


def claims_in_words(audits: Audits) -> str:
    """Whether the claims are those that were planned, and what a single competent judge means."""
    differing = {each.name: deviations(each.plan, each.claims) for each in audits.done}
    said = [f"**Not as planned for {name}**: {'; '.join(how)}." for name, how in differing.items() if how]
    said = said or ["The claims are those of the plan."]
    competent = [view.name for view in audits.views if view.competent]
    if len(competent) == 1:
        said.append(
            f"{capitalised(the(competent[0]))} is the only competent judge, so no other confirms its claims; a second "
            "comes with the extra `align`, or as `second_verifier=PATH`."
        )
    for each in audits.done:
        left = [view.name for view in each.views if view.may_judge]
        if len(left) == 1 < len(competent):
            said.append(f"{capitalised(the(left[0]))} alone may judge {each.name}, so no other confirms its claims.")
    return " ".join(said)


def remedy(audits: Audits) -> tuple[pd.DataFrame, list[tuple[int, str]]] | None:
    """What each filter leaves as every judge sees it, and the cells that must not be relied on.

    Those are the filter's own, flattered view, that of judges which may not judge the set, and its rates where control
    persons are not exchangeable.
    """
    titles = {
        "set": "set",
        "fmr": "control images above",
        "tested_fmr": "on the other half",
        "kept": "kept",
        "judge": "judge",
        "link_auc": "link AUC",
        "link_eer": "link EER",
        "rank1": "rank 1",
    }
    table = by_set(audits.done, _left)
    if table is None:
        return None
    table = table[list(titles)].rename(columns=titles)
    of = {each.name: each for each in audits.done}
    partial = {name: {each.remedies.filterer, *each.barred} for name, each in of.items()}
    own = [judge in partial[name] for name, judge in zip(table["set"], table["judge"], strict=True)]
    grey = [(int(row), column) for row in np.flatnonzero(own) for column in ("link AUC", "link EER", "rank 1")]
    doubted = [i for i, name in enumerate(table["set"]) if "control" in of[name].sets.barred]
    grey += [(i, column) for i in doubted for column in ("control images above", "on the other half", "kept")]
    return table, [(row, column) for row, column in grey if not pd.isna(table.loc[row, column])]


def _left(audit: Audit) -> pd.DataFrame:
    """A row for each filter and judge; one for each filter where labels tell no judge anything of a link."""
    rows = pd.DataFrame(dataclasses.asdict(facts) for each in audit.remedies.done for facts in each.left)
    if len(rows) and rows[["link_auc", "link_eer", "rank1"]].isna().all(axis=None):
        rows = rows.drop_duplicates("fmr").assign(judge=None)
    return rows
