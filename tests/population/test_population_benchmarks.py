"""Benchmarks of the population: pairs that are what their name says, drawn evenly, in folds that share nobody."""

import numpy as np
import pandas as pd
import pytest

from sface_lib import cli
from sface_lib.data import read_protocol
from sface_lib.errors import InputError
from sface_lib.population.benchmarks import BENCHMARKS, draw_protocol
from sface_lib.population.rendering.sets import truth_table

pytestmark = [pytest.mark.render, pytest.mark.nightly]


@pytest.fixture(scope="module")
def table():
    return truth_table("benchmark", 60, 10)


def rows(table, protocol):
    at = {name: row for row, name in enumerate(table["name"])}
    return [at[name] for name in protocol.left], [at[name] for name in protocol.right]


def sides(table, protocol, column):
    left, right = rows(table, protocol)
    values = table[column].to_numpy()
    return values[left], values[right]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_half_is_genuine_no_pair_twice_and_folds_share_nobody(table, benchmark):
    protocol = draw_protocol(table, benchmark, folds=5, pairs=300)
    assert len(protocol) == 300 and protocol.same.sum() == 150 and protocol.fold_ids == (1, 2, 3, 4, 5)
    assert len({frozenset(pair) for pair in zip(protocol.left, protocol.right, strict=True)}) == 300
    left, right = sides(table, protocol, "identity")
    assert ((left == right) == protocol.same).all()
    people = [set(left[protocol.fold == fold]) | set(right[protocol.fold == fold]) for fold in protocol.fold_ids]
    assert sum(map(len, people)) == len(set.union(*people))


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_identities_are_used_evenly(table, benchmark):
    protocol = draw_protocol(table, benchmark, folds=5, pairs=300)
    left, right = sides(table, protocol, "identity")
    uses = np.bincount(np.r_[left[~protocol.same], right[~protocol.same]], minlength=60)
    assert uses.min() >= 4 and uses.max() <= 6  # 150 pairs of two among 60.


def test_every_pair_is_what_its_benchmark_says(table):
    def drawn(name):
        protocol = draw_protocol(table, name, folds=5, pairs=300)
        return protocol, *sides(table, protocol, "yaw_degrees"), *sides(table, protocol, "years")

    protocol, a, b, first, second = drawn("unconstrained")
    assert max(abs(a).max(), abs(b).max()) < 45 and abs(first - second)[protocol.same].max() <= 16
    for name in ("age-gap", "cross-age"):
        protocol, a, b, first, second = drawn(name)
        gap = abs(first - second)
        assert gap[protocol.same].min() >= 18 and (name == "cross-age" or gap.min() >= 18)
    assert abs(np.subtract(*drawn("cross-pose")[1:3])).min() >= 40
    turned = np.sort(abs(np.stack(drawn("frontal-profile")[1:3])), 0)
    assert turned[0].max() < 10 and turned[1].min() > 60


@pytest.mark.parametrize("benchmark", ["cross-age", "cross-pose"])
def test_impostors_match_in_gender_and_ancestry_where_the_published_ones_do(table, benchmark):
    protocol = draw_protocol(table, benchmark, folds=5, pairs=300)
    for column in ("Male", "ancestry"):
        left, right = sides(table, protocol, column)
        assert (left == right).all()


def test_the_same_seed_draws_the_same_pairs_and_another_one_others(table):
    first, again, other = (draw_protocol(table, "unconstrained", 5, 300, seed=seed) for seed in (0, 0, 1))
    assert (first.left, first.right) == (again.left, again.right) != (other.left, other.right)


def test_what_can_not_be_drawn_is_refused_with_the_numbers(table):
    with pytest.raises(InputError, match="choose one of unconstrained"):
        draw_protocol(table, "lfw")
    with pytest.raises(InputError, match="give a multiple of 20"):
        draw_protocol(table, "unconstrained", pairs=3001)
    with pytest.raises(InputError, match=r"'frontal-profile', fold 1: \d+ genuine pairs, 150 are needed; render more"):
        draw_protocol(table, "frontal-profile")


def test_the_command_writes_five_files_or_none(table, tmp_path, capsys):
    assert cli.main(["population", "protocols", str(tmp_path)]) == 2
    assert "render a set there" in capsys.readouterr().err
    table.to_parquet(tmp_path / "labels.parquet")
    assert cli.main(["population", "protocols", str(tmp_path)]) == 2 and not list(tmp_path.glob("*.csv"))
    assert cli.main(["population", "protocols", str(tmp_path), "--folds", "5", "--pairs", "300"]) == 0
    assert {path.stem for path in tmp_path.glob("*.csv")} == set(BENCHMARKS)
    written, drawn = read_protocol(tmp_path / "cross-age.csv"), draw_protocol(table, "cross-age", 5, 300)
    assert written.left == drawn.left and (written.same == drawn.same).all() and (written.fold == drawn.fold).all()


def test_a_table_without_people_of_both_kinds_is_refused():
    alone = pd.DataFrame({"name": ["a", "b"], "identity": [0, 0], "ancestry": ["x", "x"], "Male": [1, 1]})
    alone[["yaw_degrees", "years"]] = 0.0
    with pytest.raises(InputError, match="fold 1: 1 genuine pairs, 2 are needed|fold 1: 0 impostor"):
        draw_protocol(alone, "unconstrained", folds=2, pairs=4)
