"""From a config to a model: budget solved, every ``auto`` made explicit, network built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from finscale.config.model import NetworkConfig
from finscale.config.names import Parametrisation
from finscale.config.quantities import format_count
from finscale.errors import BudgetError, ConfigError
from finscale.models.base_sizes import doubled
from finscale.models.budget import Dial, solve
from finscale.models.counts import ParameterCounts
from finscale.models.interface import HeadName, Interface
from finscale.models.zoo import ARCHITECTURES, Architecture, Precision

if TYPE_CHECKING:
    from torch import nn

_FP32 = 4
#: The linear path that auto means; chosen on validation, docs/linear_path.md.
_LINEAR_PATH = "frozen"
#: Bytes that torch's libraries take at the first step, over seven shapes on one machine.
_LIBRARIES = 30 * 2**20
#: Resident over live bytes of activations under glibc: 1.27 to 1.65 over the same shapes.
_IN_PIECES = 1.4


@dataclass(frozen=True)
class NetworkDesign:
    """A network on paper: what it is and what it costs, before it is built."""

    architecture: Architecture
    config: NetworkConfig
    """Every size filled in."""
    interface: Interface

    @cached_property
    def counts(self) -> ParameterCounts:
        """The three parameter counts."""
        return _counts(self.architecture, self.config, self.interface)

    @cached_property
    def flops(self) -> int:
        """FLOPs of one window's forward pass; a training step takes three times as many."""
        if self.architecture.flops is not None:
            return self.architecture.flops(self.config, self.interface)
        from finscale.models.measure import counted_flops, on_meta

        return counted_flops(on_meta(self.network), self.interface)

    def network(self) -> nn.Module:
        """Return a new network without linear path: what counts and costs are about."""
        return self.architecture.build(self.config, self.interface)

    def build(self) -> nn.Module:
        """Return a new model, its weights drawn from torch's global generator.

        Unless its parametrisation is the standard one, it knows how its parameters learn beside
        those of the base model.
        """
        network = self._scaled(self.network())
        if self.config.linear_path in ("auto", "none"):
            return network
        from finscale.models.linear_path import LinearPath, zero_output

        zero_output(network, self.architecture.head)
        return LinearPath(
            network,
            num_columns=self.interface.num_relative,
            num_outputs=self.interface.num_outputs,
            trains=self.config.linear_path != "frozen",
        )

    def _scaled(self, network: nn.Module) -> nn.Module:
        base = self.architecture.base(self.config, self.interface)
        if not base or self.interface.parametrisation == "standard":
            return network
        from finscale.models.mup import scale_to_base

        smaller, larger = self._at(base), self._at(doubled(base))
        rate = self.architecture.base_rate
        return scale_to_base(network, smaller.network, larger.network, base_rate=rate)

    def _at(self, sizes: Mapping[str, int]) -> NetworkDesign:
        """Return the design with other sizes."""
        config = self.architecture.settle(self.config.model_copy(update=sizes), self.interface)
        return NetworkDesign(self.architecture, config, self.interface)

    def describe(self) -> str:
        """Return title and sizes in words."""
        return self.architecture.describe(self.config)

    def training_memory(
        self, batch_size: int, precision: Precision = "fp32", device: str = "cpu"
    ) -> int:
        """Return the bytes at the peak of a step: weights, AdamW, gradients, activations.

        These are the bytes of live tensors; see :meth:`resident_memory` for what a process takes.

        Parameters
        ----------
        batch_size : int
            Windows of one forward pass.
        precision : {"fp32", "bf16-mixed"}
            Arithmetic; weights, gradients and AdamW's two moments stay in fp32, and bf16 adds a
            copy of the weights.
        device : str
            Where it is trained.
        """
        return self._lasting(precision) + batch_size * self._activations(precision, device)

    def resident_memory(self, batch_size: int, precision: Precision = "fp32") -> int:
        """Return the bytes that training adds to a process on a CPU.

        More than the live tensors, because libraries set themselves up at the first step and
        glibc's heap holds freed activations in pieces that the next ones do not always fit.
        """
        passing = batch_size * self._activations(precision, "cpu")
        return _LIBRARIES + self._lasting(precision) + round(_IN_PIECES * passing)

    def _lasting(self, precision: Precision) -> int:
        # weight, gradient and two moments; in bf16 a copy of the weight for as long as a step
        return (4 * _FP32 + (2 if precision == "bf16-mixed" else 0)) * self.counts.total

    def _activations(self, precision: Precision, device: str) -> int:
        if self.architecture.activations is not None:
            return self.architecture.activations(self.config, self.interface, precision, device)
        from finscale.models.measure import counted_activations, on_meta

        return counted_activations(on_meta(self.network), self.interface, precision)


def design(
    config: NetworkConfig,
    *,
    num_features: int,
    context_length: int,
    head: HeadName = "classification",
    num_outputs: int = 1,
    forecast_length: int | None = None,
    normalise: bool = True,
    num_relative: int = 0,
    parametrisation: Parametrisation = "mup",
) -> NetworkDesign:
    """Return the network that a config means, its budget solved.

    Parameters
    ----------
    config : NetworkConfig
        Resolved or not.
    num_features, context_length : int
        F and L of the windows.
    head : {"classification", "regression", "forecast"}
        What is predicted.
    num_outputs : int
        Numbers per window of the regression head: one, or one per quantile.
    forecast_length : int, optional
        Rows of the forecast head.
    normalise : bool
        Whether windows should be given mean 0 and deviation 1.
    num_relative : int
        Relative columns of a row, for the linear path.
    parametrisation : {"mup", "standard"}
        How initial weights, multipliers and rates follow from its sizes.

    Raises
    ------
    BudgetError
        If the budget cannot be met, or explicit sizes miss the one stated beside them.
    ConfigError
        If the architecture has no such head, or neither a budget nor sizes are given.
    """
    interface = Interface(
        num_features=num_features,
        context_length=context_length,
        head=head,
        num_outputs=num_outputs,
        forecast_length=forecast_length,
        normalise=normalise,
        num_relative=num_relative,
        parametrisation=parametrisation,
    )
    config = _with_linear_path(config, interface)
    architecture = ARCHITECTURES[config.kind]
    if head not in architecture.heads:
        known = ", ".join(architecture.heads)
        raise ConfigError(f"{architecture.title} has no {head} head.", hint=f"it has: {known}")
    if config.budget is not None and not config.is_sized:
        found = _solved(architecture, config, interface)
        return NetworkDesign(architecture, found, interface)
    settled = architecture.settle(config, interface)
    made = NetworkDesign(architecture, settled, interface)
    if config.budget is not None:
        _check_budget(made)
    return made


def _with_linear_path(config: NetworkConfig, interface: Interface) -> NetworkConfig:
    """Return the config with its linear path decided."""
    possible = interface.num_relative > 0 and interface.head != "forecast"
    if config.linear_path == "auto":
        return config.model_copy(update={"linear_path": _LINEAR_PATH if possible else "none"})
    if config.linear_path != "none" and not possible:
        raise ConfigError(
            f"model.linear_path: {config.linear_path} needs a classification or regression on data "
            "with relative columns (rel_*).",
            hint="leave it at auto, or build the data from bars",
        )
    return config


def resolve_model(config: NetworkConfig, **interface: Any) -> NetworkConfig:
    """Return the config with all sizes filled in; resolving it again changes nothing.

    The budget stays as the record of what was asked for. See :func:`design` for parameters and
    errors.
    """
    return design(config, **interface).config


def build_model(config: NetworkConfig, **interface: Any) -> nn.Module:
    """Return a new model, its weights drawn from torch's global generator; see :func:`design`."""
    return design(config, **interface).build()


def _counts(
    architecture: Architecture, config: NetworkConfig, interface: Interface
) -> ParameterCounts:
    if architecture.counts is not None:
        return architecture.counts(config, interface)
    from finscale.models.measure import counted_parameters, on_meta

    model = on_meta(lambda: architecture.build(config, interface))
    return counted_parameters(model, architecture.inputs, architecture.head)


def _solved(
    architecture: Architecture, config: NetworkConfig, interface: Interface
) -> NetworkConfig:
    """Return the config with the sizes that meet its budget."""
    assert config.budget is not None
    fine = architecture.fine
    dial: Dial[NetworkConfig] = Dial(
        lambda one: getattr(one, fine),
        lambda one, value: one.model_copy(update={fine: value}),
    )
    family = architecture.family(config) if architecture.family else architecture.title
    return solve(
        config.budget,
        (
            architecture.settle(config.model_copy(update=sizes), interface)
            for sizes in architecture.rungs(config, interface)
        ),
        dial,
        lambda one: _counts(architecture, one, interface).total,
        tolerance=config.budget_tolerance,
        what=f"{family} on {interface.num_features} features",
    )


def _check_budget(made: NetworkDesign) -> None:
    """Refuse explicit sizes that miss the budget written beside them."""
    config, total = made.config, made.counts.total
    assert config.budget is not None
    if abs(total / config.budget - 1) > config.budget_tolerance:
        raise BudgetError(
            f"{made.describe()} has {format_count(total)} parameters on "
            f"{made.interface.num_features} features, {total / config.budget - 1:+.0%} off the "
            f"budget of {format_count(config.budget)}.",
            hint="give the budget alone and let the solver find the sizes",
        )
