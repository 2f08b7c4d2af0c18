"""What a study is: one experiment, one or two scale axes, seeds, folds, baselines, controls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from finscale.config.axes import check_sizes, parse_sizes
from finscale.config.base import NAME_FORM, Section, content_hash, label
from finscale.config.baselines import DEFAULT_BASELINES
from finscale.config.experiment import ExperimentConfig
from finscale.config.families import check_families, family_names, family_section
from finscale.config.losses import target_name
from finscale.config.model import AnyModel, BaselineConfig, NetworkConfig
from finscale.config.names import AxisName
from finscale.config.outcomes import (
    LEAST_SYMBOLS,
    OUTCOMES,
    CostsConfig,
    OutcomeName,
    check_outcome,
)
from finscale.config.quantities import Seed
from finscale.config.redraws import ASSETS_RULE, StudyDraw, check_redraws, draws_of, redraw_of
from finscale.config.tiers import is_tier_file, is_tier_key, note_tier, read_tier_file
from finscale.config.tracking import TrackingConfig
from finscale.config.tune import SearchConfig

ControlName = Literal["permuted_labels", "planted_signal"]
Size = int | str


def expected(control: ControlName, outcome: OutcomeName) -> str:
    """Return what has to come out of a control; part of what is registered before the first run."""
    if control == "planted_signal":
        return OUTCOMES[outcome].planted
    law = "no LAW" if outcome == "loss" else f"no LAW of the {OUTCOMES[outcome].title}"
    return f"no skill beyond the drift of the base rate, and {law}"


_TWO_SIZES_OF_A_MODEL = {"parameters", "compute"}


def _both(name: str, beside: Any, inside: Any) -> Any:
    """Return what a setting says beside the rule and in ``search``; refuse two that differ."""
    if isinstance(beside, dict) and isinstance(inside, dict):
        shared = {
            one: _both(f"{name}.{one}", beside[one], inside[one])
            for one in beside.keys() & inside.keys()
        }
        return {**beside, **inside, **shared}
    if beside != inside:
        twin = name.replace("tuning.", "tuning.search.", 1)
        raise ValueError(f"{name} and {twin} are the same setting: give one, {beside} or {inside}")
    return inside


class TuningConfig(Section):
    """How learning rate, batch size and weight decay of each size are found."""

    rule: Literal["transfer", "sweep", "search", "fixed"] = "transfer"
    """transfer: one base learning rate, ``training.learning_rate``, which µP scales layer by layer
    (in the standard parametrisation the smallest size's, falling with the width), the batch size
    the same for all. sweep: the best of a short sweep per size, by validation loss. search: the
    best of a search per size over rate, decay, dropout, batch, epochs and shape. fixed:
    ``training.learning_rate`` for every size."""
    rate_factors: tuple[Annotated[float, Field(gt=0)], ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    """``sweep``: learning rates tried, as multiples of the transferred one, rising."""
    weight_decays: tuple[Annotated[float, Field(ge=0)], ...] = ()
    """``sweep``: weight decays tried with each rate; the experiment's own when empty."""
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] = (32, 64, 128)
    """``sweep``: batch sizes tried beside the experiment's own, at the best rate times the root of
    the batch's ratio; none where empty."""
    seed: Seed = 0
    """``sweep``: the seed of its runs."""
    search: SearchConfig = SearchConfig()
    """``search``: how it is made. Its settings may stand beside the rule: ``tuning: {rule: search,
    trials: 30}``."""

    @model_validator(mode="before")
    @classmethod
    def _beside_the_rule(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("rule") != "search":
            return value
        beside = [name for name in value if name in SearchConfig.model_fields]
        inner = value.get("search") or {}
        if not isinstance(inner, dict):
            return value
        whole = dict(inner)
        for name in beside:
            whole[name] = _both(f"tuning.{name}", value[name], inner.get(name, value[name]))
        own = {name: one for name, one in value.items() if name not in beside}
        return {**own, "search": whole}

    @model_validator(mode="after")
    def _rising(self) -> TuningConfig:
        if self.rule == "sweep" and len(self.rate_factors) < 3:
            raise ValueError("a sweep needs three rate_factors or more: an optimum has neighbours")
        if len(self.batch_sizes) in (1, 2):
            raise ValueError("give three batch_sizes or more, or none: an optimum has neighbours")
        for name in ("rate_factors", "weight_decays", "batch_sizes"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)):
                raise ValueError(f"{name} must rise, each value once")
        return self


class ControlsConfig(Section):
    """Runs beside the real data whose outcome is known: the instrument must reproduce it."""

    kinds: tuple[ControlName, ...] = ()
    """permuted_labels: labels shuffled within calendar quarters, nothing to learn but the drift of
    the base rate. planted_signal: labels drawn from a known function of the window."""
    sizes: tuple[Size, ...] | None = None
    """Sizes of the first axis; the four smallest when absent (fewer show no law)."""
    seeds: tuple[Seed, ...] | None = None
    """Seeds; the first two of the study when absent."""
    strength: Annotated[float, Field(gt=0)] = 2.0
    """``planted_signal``: log odds (regression: signal over noise) per standard deviation."""
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Significance level of the controls' own tests."""

    @field_validator("sizes", mode="before")
    @classmethod
    def _sizes(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple) or any(str(v).startswith("a") for v in value):
            return value
        is_share = any(str(v).endswith("%") or (isinstance(v, float) and v <= 1) for v in value)
        return parse_sizes("data" if is_share else "parameters", value)


class StudyConfig(Section):
    """A grid of runs along one or two scale axes, fixed before the first run."""

    name: Annotated[str, Field(pattern=NAME_FORM)]
    """The study's folder under ``studies/``."""
    question: str = ""
    """What the study asks, for the top of the report."""
    experiment: ExperimentConfig = ExperimentConfig()
    """What all runs share."""
    axes: dict[AxisName, tuple[Size, ...]]
    """One or two scale axes → sizes: ``parameters: [10k, 50k, 250k, 1M]``. The verdict is about
    the first, at each level of the second."""
    architectures: tuple[AnyModel, ...] = ()
    """Architectures held against one another, each at every size, seed and fold:
    ``[patchtst, {kind: dlinear, moving_average: 5}]``. An entry of the experiment's own kind is
    laid over ``experiment.model``; others take from it the budget and what else all networks
    share. Empty: ``experiment.model`` alone."""
    seeds: tuple[Seed, ...] = (0, 1, 2)
    """One run per size, fold and seed; ``seeds: 5`` means 0 … 4."""
    nestings: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Along axis ``tier``: orders in which features join the tiers, each with every seed;
    ``nestings: 3`` means 0 … 2, the canonical one and two drawn. Sizes are then judged by the luck
    of the choice of features too. The experiment's own ``data.nesting`` alone when absent."""
    draws: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Along axes ``assets`` and ``data``: draws of the symbols that are trained on, each with seeds
    of its own; ``draws: 3`` means 0 … 2. Sizes are then judged by the luck of the choice of symbols
    too. The experiment's own ``split.train_draw`` alone when absent."""
    tier_files: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Features of the tier files on axis ``tier``. Filled in when they are read."""
    folds: tuple[int, ...] | Literal["all"] = "all"
    """Folds of a walk-forward split that are run; their test days make one series."""
    tuning: TuningConfig = TuningConfig()
    """What is tuned anew for each size."""
    baselines: tuple[str, ...] = DEFAULT_BASELINES
    """Models without scale, scored on the same windows."""
    controls: ControlsConfig = ControlsConfig()
    """Negative and positive controls; a list of their names will do."""
    exclusions: tuple[Literal["collapsed", "diverged", "outlying"], ...] = ()
    """Rules by which finished runs are left out of the verdict, and counted. collapsed: those whose
    predictions hug the base rate. diverged: those far worse on the test days than the other seeds
    of their size (beyond six deviations of the seed noise, and beyond what one sound table of a
    hundred has). outlying: far off on either side."""
    outcome: OutcomeName = "loss"
    """What the verdict is about, on test days. loss: log loss in nats (a number instead of a class:
    squared error). auc: area under the ROC curve, days ranked within their fold. r2: R² out of
    sample, against the mean of the training years. sharpe: yearly Sharpe ratio after ``costs``,
    long at and above the operating point that validation chose (a number: above zero), else in
    cash."""
    costs: CostsConfig = CostsConfig()
    """Of trading: in the report's backtest and in ``outcome: sharpe``."""
    sesoi: Annotated[float, Field(gt=0)] = Field(default_factory=lambda known: _sesoi(known))
    """Smallest effect of interest: what the outcome has to gain over the whole range of sizes to be
    worth having, in the outcome's unit. When absent: .005 nats, .01 of AUC, .001 of R², .2 of a
    Sharpe ratio; ``finscale.config.outcomes`` says why."""
    level: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Significance level of every test behind the verdict."""
    tracking: Annotated[TrackingConfig, label()] = TrackingConfig()
    """Where the study is mirrored to: one parent, a child a run, figures and tables at its end;
    ``experiment.tracking`` when absent. No part of what is registered."""
    quick: dict[str, Any] = Field(default_factory=dict)
    """Settings that ``--quick`` lays over the others: a rehearsal in minutes under another name."""

    @model_validator(mode="before")
    @classmethod
    def _read_tiers(cls, value: Any) -> Any:
        """Put the keys of tier files in their place on the axis, and keep what they list."""
        axes = value.get("axes") if isinstance(value, dict) else None
        if not isinstance(axes, dict) or not isinstance(axes.get("tier"), list | tuple | str):
            return value
        tiers = [axes["tier"]] if isinstance(axes["tier"], str) else axes["tier"]
        keys, files = (
            [],
            {key: tuple(names) for key, names in (value.get("tier_files") or {}).items()},
        )
        for tier in tiers:
            if is_tier_file(tier):
                try:
                    file = read_tier_file(tier)
                except ValueError:
                    return value  # the axis' own check says what is wrong
                files[file.key] = file.features
                tier = file.key
            keys.append(tier)
        for key, names in files.items():
            if is_tier_key(key, names):
                note_tier(key, names)
        return {**value, "axes": {**axes, "tier": keys}, "tier_files": files}

    @field_validator("axes", mode="before")
    @classmethod
    def _counts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {axis: parse_sizes(str(axis), sizes) for axis, sizes in value.items()}

    @field_validator("architectures", mode="before")
    @classmethod
    def _sections(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str | dict):
            one = value if isinstance(value, str) else value.get("kind", "gru")
            raise ValueError(
                f"a list is asked for, of two architectures or more: [patchtst, {one}]; one alone "
                f"is experiment.model: {{kind: {one}}}"
            )
        if not isinstance(value, list | tuple) or "experiment" not in info.data:
            return value
        return tuple(family_section(entry, info.data["experiment"].model) for entry in value)

    @field_validator("seeds", "nestings", "draws", mode="before")
    @classmethod
    def _seed_count(cls, value: Any) -> Any:
        return tuple(range(value)) if isinstance(value, int) else value

    @field_validator("controls", mode="before")
    @classmethod
    def _control_names(cls, value: Any) -> Any:
        return {"kinds": value} if isinstance(value, list | tuple) else value

    @field_validator("tuning", mode="before")
    @classmethod
    def _tuning_rule(cls, value: Any) -> Any:
        return {"rule": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> StudyConfig:
        if not self.axes:
            raise ValueError("name one axis, such as parameters: [10k, 50k, 250k, 1M]")
        if len(self.axes) > 2 or set(self.axes) >= _TWO_SIZES_OF_A_MODEL:
            raise ValueError("a study has one axis or two, and parameters and compute are one")
        for axis, sizes in self.axes.items():
            check_sizes(axis, sizes)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must be given, each once")
        if isinstance(self.experiment.model, BaselineConfig):
            raise ValueError("a study scales a network: experiment.model is a baseline")
        check_families(self.architectures)
        check_outcome(self.outcome, target_name(self.experiment))
        if self.outcome == "ic" and len(self.experiment.data.symbols) < LEAST_SYMBOLS:
            raise ValueError(
                f"outcome ic ranks a day's symbols, {LEAST_SYMBOLS} or more, and "
                f"experiment.data names {len(self.experiment.data.symbols)}: name a universe "
                "(experiment.data.universe: us20), or take outcome loss"
            )
        self._check_assets()
        self._check_folds()
        self._check_shares()
        self._check_tuning()
        self._check_controls()
        check_redraws(self)
        return self

    def _check_assets(self) -> None:
        if "data" in self.axes and {"assets", "rows"} & set(self.axes):
            raise ValueError("axis data is assets and rows together: name it without them")
        split, num = self.experiment.split, len(self.experiment.data.symbols)
        most = max((int(size) for size in self.axes.get("assets", ())), default=0)
        held = split.num_unseen(num)
        if most > num - held:
            less = f", of which split.symbols {split.symbols} holds out {held}" if held else ""
            raise ValueError(f"axis assets goes to {most} and experiment.data names {num}{less}")

    def _check_folds(self) -> None:
        if self.folds == "all":
            return
        known = range(self.num_folds)
        if not self.folds or len(set(self.folds)) != len(self.folds):
            raise ValueError("folds must be given, each once, or be all")
        if not set(self.folds) <= set(known):
            raise ValueError(f"the split has folds 0 … {self.num_folds - 1}")

    def _check_shares(self) -> None:
        moving = {"tier", "quality"} & set(self.axes)
        if self.experiment.split.method == "shares" and moving:
            raise ValueError(
                f"along axis {min(moving)} the history changes, and with it what its shares hold "
                "out: take split.method dates or walk_forward"
            )

    def _check_tuning(self) -> None:
        rate = self.experiment.training.learning_rate
        if self.tuning.rule == "fixed" and rate == "auto":
            raise ValueError("tuning: fixed needs a number for experiment.training.learning_rate")

    def _check_controls(self) -> None:
        sizes = self.axes[next(iter(self.axes))]
        unknown = [size for size in self.controls.sizes or () if size not in sizes]
        if unknown:
            raise ValueError(f"controls.sizes: {unknown[0]} is no size of the first axis")
        if not set(self.controls.seeds or ()) <= set(self.seeds):
            raise ValueError("controls.seeds must be among the study's seeds")

    @property
    def run_nestings(self) -> tuple[int, ...]:
        """Orders of features that are run."""
        return self.nestings or (self.experiment.data.nesting,)

    @property
    def run_draws(self) -> tuple[StudyDraw, ...]:
        """Orders of features, or choices of symbols, that are run: one at least."""
        return draws_of(self)

    @property
    def num_replicates(self) -> int:
        """Independent replicates of a size: its draws where there are several, else its seeds.

        Seeds of one draw share its features or symbols, so that they are one replicate together.
        """
        return len(self.run_draws) if redraw_of(self) else len(self.seeds)

    @property
    def replicate_noun(self) -> str:
        """What independent replicates of a size are."""
        redraw = redraw_of(self)
        return redraw.plural if redraw else "seeds"

    @property
    def num_folds(self) -> int:
        """Folds that the experiment's split has."""
        return self.experiment.split.num_folds

    @property
    def run_folds(self) -> tuple[int, ...]:
        """Folds that are run."""
        return tuple(range(self.num_folds)) if self.folds == "all" else self.folds

    @property
    def families(self) -> dict[str, NetworkConfig]:
        """The architectures that are held against one another, by name; empty with one alone."""
        sections = [one for one in self.architectures if isinstance(one, NetworkConfig)]
        return dict(zip(family_names(sections), sections, strict=True))

    def of_family(self, name: str) -> StudyConfig:
        """Return the study of one of its architectures alone."""
        experiment = self.experiment.model_copy(update={"model": self.families[name]})
        return self.model_copy(update={"experiment": experiment, "architectures": ()})

    def resolved(self) -> dict[str, Any]:
        """Return everything that matters to the outcome, as plain values; folders do not."""
        content = self.model_dump(mode="json", exclude={"quick", "architectures", "tracking"})
        content["experiment"] = self.experiment.identity()
        for name in ("nestings", "draws", "tier_files"):
            if not content[name]:  # a study without them is what it was before there were any
                del content[name]
        if self.tuning.rule != "search":  # such a study is what it was before there was any search
            del content["tuning"]["search"]
        if self.architectures:  # without them a study is what it was before there were any
            content["architectures"] = [one.part("science") for one in self.families.values()]
        if "assets" in self.axes:
            content["assets"] = ASSETS_RULE
        content["controls"]["expected"] = {
            kind: expected(kind, self.outcome) for kind in self.controls.kinds
        }
        return content

    def hash(self) -> str:
        """Return the SHA-256 of the whole resolved study: its pre-registration."""
        return content_hash(self.resolved())


def _sesoi(known: dict[str, Any]) -> float:
    """Return the smallest effect of interest of a file that names none."""
    if not {"experiment", "outcome"} <= set(known):
        return 1.0  # one of them is wrong already, and said to be
    rule, experiment = OUTCOMES[known["outcome"]], known["experiment"]
    # a task that the outcome does not fit is refused by the whole study's check
    own = rule.sesoi.get(target_name(experiment), 1.0)
    return rule.across.get(experiment.task.name, own)
