"""How often the report's tests are wrong, and how often they see what is there: `make simulate`.

Persons are drawn from the pool of `simulated_pool.py`; training, unseen and synthetic images are put together so that
the truth is known, and rejections are counted. The tables go to `docs/simulations.md`. A rate of errors is held against
the 97.5 % point of a binomial of 5 %, and power against a floor.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binom, binomtest
from simulated_pool import Pool, judges, make_pool, open_pool

from sface_lib.privacy import membership_of_images

DRAWS, ALPHA, SHUFFLES = 400, 0.05, 199
MEMBERS, OTHERS = 5, 2  # Images of each person that train, and that do not; the rest are unseen.
TABLES = Path(__file__).resolve().parents[2] / "docs" / "simulations.md"


@dataclass(frozen=True)
class Counted:
    """How often a test rejected.

    Attributes
    ----------
    case
        What the sets are, in words.
    is_error
        Whether there was nothing to see: then `count` may be what a test of 5 % gives; else it must reach `floor`.
    """

    case: str
    draws: int
    count: int
    is_error: bool
    floor: float = 0.0

    @property
    def most(self) -> int:
        """The most rejections that a test of 5 % may show."""
        return int(binom.ppf(0.975, self.draws, ALPHA))

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.count <= self.most if self.is_error else self.count >= self.floor * self.draws

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        span = binomtest(self.count, self.draws).proportion_ci(method="wilson")
        bar = f"at most {self.most}" if self.is_error else f"at least {round(self.floor * self.draws)}"
        share = f"{self.count / self.draws:.3f} [{span.low:.3f}, {span.high:.3f}]"
        return self.case, f"{self.count} of {self.draws}", share, bar, "yes" if self.met else "**no**"


# Persons -> how far synthetic images are moved toward training images, and what share of draws must show it.
COPYING = {50: {0.0: None, 0.4: 0.8}, 200: {0.0: None, 0.2: 0.5}}


def membership(pool: Pool, judge: str, draws: int = DRAWS, persons: Iterable[int] = tuple(COPYING)) -> list[Counted]:
    """Membership of images: synthetic images are unseen ones of the training persons, moved toward training images.

    A generator that drew the persons and copied no image is the case without a move.
    """
    found = []
    for count in persons:
        for way, floor in COPYING[count].items():
            draw = (pool.draw(np.random.default_rng([count, i]), count) for i in range(draws))
            rejected = sum(membership_p(rows, way, seed=i) <= ALPHA for i, rows in enumerate(draw))
            case = f"{judge}, {count} persons, " + (f"moved by {100 * way:.0f} %" if way else "nothing copied")
            found.append(Counted(case, draws, rejected, floor is None, floor or 0.0))
    return found


def membership_p(rows: np.ndarray, way: float, seed: int) -> float:
    """Two-sided p of rows `[K, I, d]`, whose images beyond the first seven become the synthetic ones."""
    members, others, unseen = np.split(rows, [MEMBERS, MEMBERS + OTHERS], axis=1)
    synthetic = (1 - way) * unseen + way * members[:, : unseen.shape[1]]
    synthetic /= np.linalg.norm(synthetic, axis=-1, keepdims=True)
    flat, labels = zip(*((part.reshape(-1, part.shape[2]), _persons(part)) for part in (members, others)), strict=True)
    both = flat[0], labels[0], flat[1], labels[1]
    found = membership_of_images(synthetic.reshape(-1, rows.shape[2]), *both, SHUFFLES, 100, seed)
    return found.test.p_two_sided


def _persons(part: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(part)), part.shape[1])


SIMULATIONS: dict[str, Callable[[Pool, str], list[Counted]]] = {"membership": membership}


def as_table(name: str, rows: Iterable[Counted]) -> str:
    """A section of `docs/simulations.md`."""
    head = ["case", "rejected", "share, 95 % (Wilson)", "bar", "met"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    doc = (SIMULATIONS[name].__doc__ or "").strip()
    return "\n".join([f"## {name}", "", doc, "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def main() -> None:
    """Run all simulations by all judges, and write their tables."""
    parts = []
    for name, simulation in SIMULATIONS.items():
        rows = [row for judge in judges() for row in simulation(open_pool("balanced", judge), judge)]
        parts.append(as_table(name, rows))
        print(parts[-1], flush=True)
    TABLES.write_text("# Simulations\n\n" + "\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    make_pool()
    main()
