"""The loss is the likelihood of what an annotation says, and no more; the head is a branch for each attribute."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from sface_lib.attributes.calibration import probabilities
from sface_lib.attributes.head import RAREST_SHARE, AttributeHead, AttributeLoss, group_log_probabilities

AGES = ("Young", "Middle_Aged", "Senior")
MIXED = ("Male", "Young", "Black_Hair", "Middle_Aged", "Smiling", "Senior", "Gray_Hair")  # Groups need no order.
ROUNDING = 1e-6  # Of float32, in which the weights are kept.


def loss_of(names, logits, values, shares=None) -> float:
    logits = torch.as_tensor(logits, dtype=torch.float64)
    return AttributeLoss(names, shares)(logits, torch.as_tensor(values, dtype=torch.int8)).item()


def drawn(n: int, names: tuple[str, ...], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and annotations of which a third is undefined and some contradict themselves."""
    random = torch.Generator().manual_seed(seed)
    values = torch.randint(-1, 2, (n, len(names)), generator=random, dtype=torch.int8)
    return 2 * torch.randn(n, len(names), generator=random, dtype=torch.float64), values


# Attributes alone


def test_an_attribute_alone_has_the_log_loss_of_its_logit():
    random = np.random.default_rng(0)
    logits, values = random.normal(0, 2, (50, 1)), np.where(random.random((50, 1)) < 0.3, 1, -1)
    expected = log_loss(values[:, 0] == 1, 1 / (1 + np.exp(-logits[:, 0])))
    assert loss_of(("Male",), logits, values) == pytest.approx(expected, rel=ROUNDING)


def test_the_balance_by_hand():
    """Of a share of 20 %, a present image weighs 0.5 / 0.2 and an absent one 0.5 / 0.8; logit 0 costs log 2 each."""
    found = loss_of(("Male",), [[0.0], [np.log(3)]], [[1], [-1]], shares=[0.2])
    # An absent attribute of probability 3/4 costs log 4.
    assert found == pytest.approx((2.5 * np.log(2) + 0.625 * np.log(4)) / 2, rel=ROUNDING)


def test_the_mean_is_over_images_and_attributes_each_balanced_by_its_own_share():
    random = np.random.default_rng(1)
    names, shares = ("Male", "Smiling", "Bald"), [0.25, 0.9, 0.5]
    logits, values = random.normal(0, 2, (40, 3)), np.where(random.random((40, 3)) < shares, 1, -1)
    sums = 0.0
    for i, share in enumerate(shares):
        weights = np.where(values[:, i] == 1, 0.5 / share, 0.5 / (1 - share))
        p = 1 / (1 + np.exp(-logits[:, i]))
        sums += log_loss(values[:, i] == 1, p, sample_weight=weights, normalize=False)
    assert loss_of(names, logits, values, shares) == pytest.approx(sums / 120, rel=ROUNDING)


@pytest.mark.parametrize("count", [2, 10, 50, 99])
def test_present_and_absent_images_weigh_alike_in_the_whole(count):
    """Where nothing is known of an image, a balanced loss pulls neither way; without balance it pulls to the share."""
    values = torch.where(torch.arange(100)[:, None] < count, 1, -1)
    for shares, pull in (([count / 100], 0.0), (None, 0.5 - count / 100)):
        logit = torch.zeros(1, requires_grad=True)
        AttributeLoss(("Male",), shares)(logit.expand(100, 1), values).backward()
        # 98 % and more are counted as 98 %, so that 1 of 100 absent images weighs as if it were two.
        slack = 0.5 * (1 - (1 - count / 100) / RAREST_SHARE) if shares and count == 99 else 0.0
        assert abs(logit.grad.item() - pull) <= abs(slack) + ROUNDING


def test_what_is_rarer_than_one_in_fifty_weighs_as_if_it_were_not():
    logits, values = drawn(30, ("Bald",))
    rare, rarest = (loss_of(("Bald",), logits, values, [share]) for share in (0.0001, RAREST_SHARE))
    assert rare == rarest > loss_of(("Bald",), logits, values, [0.05])
    assert np.isfinite(loss_of(("Bald",), logits, values, [0.0])) and np.isfinite(
        loss_of(("Bald",), logits, values, [1.0])
    )


def test_an_undefined_value_is_worth_nothing_and_teaches_nothing():
    logits, values = drawn(40, MIXED)
    alone = [MIXED.index("Male"), MIXED.index("Smiling")]
    logits.requires_grad_()
    whole = AttributeLoss(MIXED, [0.3] * 7)(logits, values)
    whole.backward()
    undefined = values[:, alone] == 0
    assert undefined.any() and (logits.grad[:, alone][undefined] == 0).all()
    assert (logits.grad[:, alone][~undefined] != 0).all()
    other = logits.detach().clone()
    other[:, alone] += 100 * undefined
    assert AttributeLoss(MIXED, [0.3] * 7)(other, values).item() == whole.item()


# Groups

E1, E2, E3 = np.exp([1.0, 2.0, -1.0])
ALL = E1 + E2 + E3 + 1  # With none, whose logit is 0.


@pytest.mark.parametrize(
    ("values", "likelihood", "known"),
    [
        ((1, -1, -1), E1 / ALL, 3),  # Present: this one, whatever is said of the others.
        ((-1, 1, -1), E2 / ALL, 3),
        ((0, 0, 1), E3 / ALL, 1),
        ((-1, -1, -1), 1 / ALL, 3),  # None of them.
        ((-1, 0, 0), (E2 + E3 + 1) / ALL, 1),  # Anything but the absent ones.
        ((0, -1, -1), (E1 + 1) / ALL, 2),
        ((0, 0, 0), 1.0, 0),  # Nothing is said.
        ((1, 1, -1), (E1 + E2) / ALL, 3),  # A contradiction: one of the two.
        ((1, 1, 1), (ALL - 1) / ALL, 3),
    ],
)
def test_a_group_costs_the_likelihood_of_what_its_annotation_leaves_possible(values, likelihood, known):
    """It counts as much as the attributes that it says something of, of the three that the mean is over."""
    expected = -known * np.log(likelihood) / 3
    assert loss_of(AGES, [[1.0, 2.0, -1.0]], [values]) == pytest.approx(expected, abs=ROUNDING)


def test_a_group_of_which_nothing_is_said_teaches_nothing():
    logits = torch.randn(5, 3, requires_grad=True)
    loss = AttributeLoss(AGES, [0.1, 0.5, 0.3])(logits, torch.zeros(5, 3, dtype=torch.int8))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_an_absent_member_is_pushed_down_and_the_undefined_ones_are_not():
    logits = torch.zeros(1, 3, requires_grad=True)
    AttributeLoss(AGES)(logits, torch.tensor([[-1, 0, 0]], dtype=torch.int8)).backward()
    down, *others = logits.grad[0].tolist()
    assert down > 0 and max(others) < 0  # The gradient is what a step takes off.


def test_a_groups_balance_is_that_of_its_annotated_members():
    """Present at 20 %, absent at 50 % and at 80 %: 2.5 + 1 + 2.5; the second is undefined in the other image."""
    shares, logits = [0.2, 0.5, 0.8], [[1.0, 2.0, -1.0]]
    assert loss_of(AGES, logits, [(1, -1, -1)], shares) == pytest.approx(-6 * np.log(E1 / ALL) / 3, rel=ROUNDING)
    assert loss_of(AGES, logits, [(1, 0, -1)], shares) == pytest.approx(-5 * np.log(E1 / ALL) / 3, rel=ROUNDING)


def plain_loss(names, logits, values) -> float:
    """The class's description, value by value."""
    ages, hair = (
        [names.index(n) for n in group] for group in (AGES, ("Black_Hair", "Gray_Hair"))
    )  # Of four hair colours two are among the names.
    total = 0.0
    for row, said in zip(logits.tolist(), values.tolist(), strict=True):
        for i in range(len(names)):
            if i not in ages + hair and said[i]:
                total += np.log1p(np.exp(-said[i] * row[i]))
        for group in (ages, hair):
            weights = [np.exp(row[i]) for i in group] + [1.0]
            stated = [said[i] for i in group]
            possible = [s == 1 if 1 in stated else s == 0 for s in stated] + [1 not in stated]
            likelihood = sum(w for w, p in zip(weights, possible, strict=True) if p) / sum(weights)
            total -= sum(s != 0 for s in stated) * np.log(likelihood)
    return total / values.numel()


def test_groups_and_attributes_add_up_in_any_order_of_names():
    logits, values = drawn(60, MIXED)
    expected = plain_loss(MIXED, logits, values)
    assert loss_of(MIXED, logits, values) == pytest.approx(expected, rel=ROUNDING)
    order = [4, 6, 0, 5, 2, 1, 3]
    names = tuple(MIXED[i] for i in order)
    assert loss_of(names, logits[:, order], values[:, order]) == pytest.approx(expected, rel=ROUNDING)


def test_one_member_of_a_group_excludes_nothing():
    logits, values = drawn(20, ("Young", "Black_Hair"))
    apart = sum(loss_of((n,), logits[:, [i]], values[:, [i]]) for i, n in enumerate(("Young", "Black_Hair")))
    assert loss_of(("Young", "Black_Hair"), logits, values) == pytest.approx(apart / 2, rel=ROUNDING)


@pytest.mark.parametrize("huge", [1e3, 1e30])
def test_gradients_are_finite_whatever_the_logits(huge):
    names = ("Male", *AGES)
    signs = torch.tensor(list(itertools.product((-1.0, 0.0, 1.0), repeat=4)))
    for stated in itertools.product((-1, 0, 1), repeat=4):
        logits = (huge * signs).requires_grad_()
        loss = AttributeLoss(names, [0.01, 0.2, 0.5, 0.3])(logits, torch.tensor([stated]).expand(len(signs), 4))
        loss.backward()
        assert loss.isfinite() and loss >= 0 and logits.grad.isfinite().all()


# Probabilities


def test_the_members_of_a_group_share_what_none_leaves():
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 4, (3, 100, 7)))
    p = probabilities(logits, MIXED)
    assert p.shape == logits.shape and (p > 0).all() and (p < 1).all()
    for group in (AGES, ("Black_Hair", "Gray_Hair")):
        members = [MIXED.index(n) for n in group]
        none = 1 / (1 + logits[..., members].exp().sum(-1))
        torch.testing.assert_close(p[..., members].sum(-1), 1 - none)
    for name in ("Male", "Smiling"):
        i = MIXED.index(name)
        torch.testing.assert_close(p[..., i], torch.sigmoid(logits[..., i]))


@pytest.mark.parametrize("huge", [1.0, 50.0, 1e30])
def test_probabilities_of_exclusive_attributes_sum_to_at_most_one(huge):
    p = probabilities(huge * torch.randn(500, 7, generator=torch.Generator().manual_seed(0)), MIXED)
    for group in (AGES, ("Black_Hair", "Gray_Hair")):
        assert p[:, [MIXED.index(n) for n in group]].sum(1).max() <= 1 + ROUNDING
    assert p.isfinite().all()


def test_the_loss_is_of_the_probabilities_that_are_told():
    logits = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(probabilities(logits, AGES), torch.tensor([[E1, E2, E3]]) / ALL)
    torch.testing.assert_close(group_log_probabilities(logits).exp().sum(1), torch.ones(1, dtype=torch.float64))


# The head


@pytest.fixture
def head() -> AttributeHead:
    torch.manual_seed(0)
    made = AttributeHead(12, MIXED, shared=10, branch=3)
    torch.nn.init.normal_(made.branch_bias)
    torch.nn.init.normal_(made.logit_bias)
    return made.eval()


def unit_rows(n: int = 9, width: int = 12) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, width, generator=torch.Generator().manual_seed(1)))


def test_the_head_is_a_shared_layer_and_a_hidden_layer_for_each_attribute(head):
    rows, state = unit_rows(), {name: tensor.detach() for name, tensor in head.named_parameters()}
    linear, slopes = head.shared
    shared = rows * np.sqrt(12) @ linear.weight.T + linear.bias
    shared = torch.where(shared > 0, shared, slopes.weight * shared)
    for i in range(len(MIXED)):
        hidden = (shared @ state["branch_weight"][i].T + state["branch_bias"][i]).clamp(min=0)
        logit = hidden @ state["logit_weight"][i] + state["logit_bias"][i]
        torch.testing.assert_close(head(rows)[:, i], logit, atol=1e-5, rtol=1e-5)  # Sums in another order.


def test_no_attribute_teaches_the_branch_of_another(head):
    head(unit_rows())[:, 2].sum().backward()
    others = [i for i in range(len(MIXED)) if i != 2]
    for name in ("branch_weight", "branch_bias", "logit_weight", "logit_bias"):
        gradient = getattr(head, name).grad
        assert (gradient[others] == 0).all() and (gradient[2] != 0).any()
    assert (head.shared[0].weight.grad != 0).any()


def test_embeddings_of_any_length_give_equal_logits(head):
    rows = unit_rows()
    for factor in (1e-3, 7.0, 1e4):
        torch.testing.assert_close(head(rows * factor), head(rows), atol=1e-5, rtol=1e-5)  # Rounding.
    lengths = torch.linspace(0.5, 20, 9)[:, None]  # Each row by itself.
    torch.testing.assert_close(head(rows * lengths), head(rows), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(head(-rows), head(rows), atol=0.1)


def test_dropout_is_drawn_in_training_and_where_asked_for(head):
    rows = unit_rows()
    with torch.no_grad():
        plain = head(rows)
        assert torch.equal(head(rows), plain) and torch.equal(head(rows, stochastic=False), plain)
        assert not torch.equal(head(rows, stochastic=True), head(rows, stochastic=True))
        head.train()
        assert not torch.equal(head(rows), head(rows))
        assert torch.equal(head(rows, stochastic=False), plain) and torch.equal(head(rows, stochastic=False), plain)


def test_every_image_draws_its_own_dropout(head):
    same = unit_rows(1).expand(50, 12)
    drawn = head(same, stochastic=True)
    assert len(drawn.detach().unique(dim=0)) == 50


def test_a_head_without_dropout_has_no_passes_that_differ():
    torch.manual_seed(0)
    head, rows = AttributeHead(12, MIXED, dropout=0.0), unit_rows()
    assert torch.equal(head(rows, stochastic=True), head(rows, stochastic=False))


def test_logits_are_float32_under_autocast_and_of_half_embeddings(head):
    rows, plain = unit_rows(), head(unit_rows())
    with torch.autocast("cpu", torch.bfloat16):
        found = head(rows)
    assert found.dtype == torch.float32 and torch.equal(found, plain)
    half = head(rows.half())
    # Rows rounded to 11 bits.
    assert half.dtype == torch.float32 and torch.allclose(half, plain, atol=2e-2)
