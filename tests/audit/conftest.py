from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest

from finscale.audit import Certificate, audit
from finscale.config import SplitConfig, TaskConfig
from finscale.data import FinancialDataset, fetch_bars
from finscale.data.synthetic import simulate
from finscale.features import compute_features

SPLIT = SplitConfig(train_end="2006-12-31", validation_end="2007-12-31")


@dataclass
class Case:
    """Bars, the frame made of them, and how to audit it: each test spoils one of them."""

    bars: pl.DataFrame
    frame: pl.DataFrame
    task: TaskConfig = field(default_factory=TaskConfig)
    split: object = SPLIT
    options: dict = field(default_factory=dict)

    def dataset(self, **changes) -> FinancialDataset:
        return FinancialDataset.from_frames(
            [self.frame], context_length=20, task=self.task, **changes
        )

    def certify(self, *only: str, dataset: FinancialDataset | None = None) -> Certificate:
        return audit(
            dataset or self.dataset(),
            split=self.split,
            bars={"SP500": self.bars},
            calendars={"SP500": "XNYS"},
            only=only or None,
            **self.options,
        )


@pytest.fixture(scope="session")
def sp500() -> pl.DataFrame:
    return fetch_bars("bundled", "SP500").adjusted()[:2500]


@pytest.fixture(scope="session")
def with_a20(sp500) -> pl.DataFrame:
    return compute_features(sp500, "a20")


@pytest.fixture
def case(sp500, with_a20) -> Case:
    return Case(sp500, with_a20)


@pytest.fixture
def random_walk() -> Callable[..., pl.DataFrame]:
    def walk(market: str, seed: int) -> pl.DataFrame:
        panel = simulate(market, ["WALK"], seed=seed, num_days=2500)
        return panel.frame("WALK").drop("adj_close")

    return walk


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
