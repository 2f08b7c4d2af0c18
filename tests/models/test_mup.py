"""µP: kinds and factors by hand, the coordinate check, decay, and agreement with ``mup``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from finscale.config import TrainingConfig, validate
from finscale.config.names import Parametrisation
from finscale.models import ARCHITECTURES, NetworkDesign, design
from finscale.models.groups import parameter_groups
from finscale.models.mup import ParameterScale, scale_to_base, scales_of
from finscale.models.output import WindowOutput
from finscale.training.optimizer import make_optimizer, set_learning_rate
from finscale.training.resolve import learning_rate_for

WINDOWS: dict[str, Any] = {"num_features": 5, "context_length": 16}
WIDTHS = (32, 64, 128, 256, 512)
DEPTHS = (1, 2, 4)
#: Largest slope of log RMS against log width; a wrong rule has .5 or 1.
TOLERANCE = 0.1
SEEDS = (0, 1)


def designed(kind: str, parametrisation: Parametrisation = "mup", **settings: Any) -> NetworkDesign:
    section = ARCHITECTURES[kind].config
    dropout = {"dropout": 0.0} if "dropout" in section.model_fields else {}
    config = validate(section, {"kind": kind, **dropout, **settings}, place="a test")
    return design(config, **WINDOWS, parametrisation=parametrisation)


def patchtst(width: int, depth: int = 2, **settings: Any) -> NetworkDesign:
    sizes = {"width": width, "depth": depth, "ff_ratio": 1, "patch_length": 8, "stride": 4}
    return designed("patchtst", **{"heads": width // 8, **sizes, **settings})


def kinds(made: NetworkDesign) -> dict[str, ParameterScale]:
    return scales_of(made.build())


@pytest.mark.parametrize("width", [8, 32, 128])
def test_the_kinds_of_a_patchtst_by_hand(width: int) -> None:
    m = width / 32
    found = kinds(patchtst(width, ff_width=100))
    layer = "encoder.layers.1"
    assert found[f"{layer}.attention.qkv.weight"] == ParameterScale("hidden", m)
    assert found[f"{layer}.attention.out.weight"] == ParameterScale("hidden", m)
    assert found[f"{layer}.ff_in.weight"] == ParameterScale("hidden", m)
    # the solver fills the feed-forward width: its ratio is its own, to 1 · 32
    assert found[f"{layer}.ff_out.weight"] == ParameterScale("hidden", 100 / 32)
    assert found["head.project.weight"] == ParameterScale("output", m)
    rest = {n for n in found if not n.startswith("encoder.layers") or n.endswith("bias")}
    assert {found[name] for name in rest - {"head.project.weight"}} == {ParameterScale("vectors")}


@pytest.mark.parametrize("rows", [8, 64])
def test_the_kinds_of_a_tsmixer_by_hand(rows: int) -> None:
    """Rows are a width of time mixing and of the output; a norm over rows × width is no product."""
    found = kinds(designed("tsmixer", depth=2, width=128, ff_width=96, rows=rows))
    matrices = {name: one for name, one in found.items() if name.startswith("blocks.1")}
    assert {name: one for name, one in matrices.items() if one.kind != "vectors"} == {
        "blocks.1.time.weight": ParameterScale("hidden", rows / 32),
        "blocks.1.feature_in.weight": ParameterScale("hidden", 4.0),
        "blocks.1.feature_out.weight": ParameterScale("hidden", 3.0),
    }
    assert found["head.project.weight"] == ParameterScale("output", 4 * rows / 32)
    assert found["align_time.weight"] == ParameterScale("vectors")


def test_rows_of_the_window_itself_are_no_width() -> None:
    found = kinds(designed("tsmixer", depth=2, width=128, ff_width=96))
    assert found["blocks.1.time.weight"] == ParameterScale("vectors")
    assert found["head.project.weight"] == ParameterScale("output", 4.0)


def test_the_kinds_of_other_layers_by_hand() -> None:
    class Layers(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.words = nn.Embedding(4, width)
            self.depthwise = nn.Conv1d(width, width, 3, groups=width)
            self.pointwise = nn.Conv1d(width, 2 * width, 1)
            self.back = nn.ConvTranspose1d(width, 5, 3)
            self.cell = nn.GRU(7, width)
            self.attention = nn.MultiheadAttention(width, 1)
            self.free = nn.Parameter(torch.zeros(width, width))
            self.place = nn.Parameter(torch.zeros(9, width))
            self.given = nn.Linear(7, 5)

    model = scale_to_base(Layers(64), lambda: Layers(16), lambda: Layers(32))
    multiplied = {name: one for name, one in scales_of(model).items() if one.kind != "vectors"}
    assert multiplied == {
        "free": ParameterScale("hidden", 4.0),
        "pointwise.weight": ParameterScale("hidden", 4.0),
        "back.weight": ParameterScale("output", 4.0),
        "cell.weight_hh_l0": ParameterScale("hidden", 4.0),
        "attention.in_proj_weight": ParameterScale("hidden", 4.0),
        "attention.out_proj.weight": ParameterScale("hidden", 4.0),
    }


def test_factors_by_hand() -> None:
    hidden, output = ParameterScale("hidden", 4.0), ParameterScale("output", 4.0)
    assert (hidden.lr_factor, hidden.decay_factor, hidden.eps_factor) == (0.25, 4.0, 0.25)
    assert (output.lr_factor, output.decay_factor, output.eps_factor) == (0.25, 4.0, 1.0)
    vectors = ParameterScale("vectors")
    assert (vectors.lr_factor, vectors.decay_factor, vectors.eps_factor) == (1.0, 0.0, 1.0)


def test_groups_are_those_of_the_parametrisation() -> None:
    model = patchtst(128).build()
    assert {group["name"] for group in parameter_groups(model)} == {
        "hidden × 4",
        "output × 4",
        "vectors",
    }
    standard = {group["name"] for group in parameter_groups(model, "standard")}
    assert standard == {"matrices", "vectors"}
    assert not scales_of(patchtst(128, parametrisation="standard").build())


def test_a_scaled_network_may_stand_inside_another_model() -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = patchtst(128).build()
            self.linear = nn.Linear(3, 1)

    model = Beside()
    groups = {group["name"]: group["params"] for group in parameter_groups(model)}
    assert len(groups["hidden × 4"]) == 8
    assert any(p is model.linear.weight for p in groups["vectors"])


def test_a_network_without_widths_learns_as_any_other() -> None:
    config = validate(ARCHITECTURES["dlinear"].config, {"kind": "dlinear"}, place="a test")
    made = design(config, **WINDOWS, head="forecast", forecast_length=2)
    assert {group["name"] for group in parameter_groups(made.build())} == {"matrices", "vectors"}


def test_building_draws_no_more_for_the_base_model() -> None:
    after = []
    for parametrisation in ("mup", "standard"):
        torch.manual_seed(0)
        patchtst(64, parametrisation=parametrisation).build()
        after.append(torch.rand(()))
    assert torch.equal(*after)


def test_another_network_at_the_base_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear at its base sizes is another network: bias"):
        scale_to_base(nn.Linear(4, 4), lambda: nn.Linear(2, 2, bias=False), lambda: nn.Linear(3, 3))


def test_multipliers_follow_depth_and_heads() -> None:
    deep: Any = patchtst(256, depth=8, heads=8).build()
    layer = deep.encoder.layers[0]
    assert layer.multiplier == 0.25
    assert layer.attention.scale == pytest.approx(math.sqrt(8) / 32)
    standard: Any = patchtst(256, depth=8, heads=8, parametrisation="standard").build()
    layer = standard.encoder.layers[0]
    assert layer.multiplier == 1
    assert layer.attention.scale == pytest.approx(1 / math.sqrt(32))
    # what the multiplier does not do there, the initial weights do: their variance is 1/(2 · 8)
    ratio = layer.ff_out.weight.detach().std() * math.sqrt(layer.ff_out.in_features)
    assert ratio == pytest.approx(0.25, rel=0.05)


# The coordinate check (Yang et al. 2022, appendix D.1)


def activations(model: nn.Module, x_BLF: Tensor) -> dict[str, Tensor]:
    """Return the output of every module by its name, and what an output layer reads."""
    found: dict[str, Tensor] = {}
    hooks = []
    for name, module in model.named_modules():

        def keep(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
            if isinstance(module, WindowOutput):
                found[f"input of {name}"] = inputs[0].detach()
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                found[name] = first.detach()

        hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        model(x_BLF)
    for hook in hooks:
        hook.remove()
    return found


def changes(made: NetworkDesign, seed: int) -> dict[str, float]:
    """Return the log RMS of each activation's change after one and after ten steps of AdamW.

    On one random batch, at the rate that ``auto`` means.
    """
    torch.manual_seed(seed)
    model = made.build()
    generator = torch.Generator().manual_seed(seed)
    x_BLF = torch.randn(16, 16, 5, generator=generator)
    y_B = torch.rand(16, generator=generator).round()
    parametrisation = made.interface.parametrisation
    rate = made.architecture.base_rate
    if parametrisation == "standard":
        rate = learning_rate_for(made.architecture.hidden_width(made.config))
    config = TrainingConfig(learning_rate=rate, parametrisation=parametrisation)
    optimizer = make_optimizer(model, config)
    set_learning_rate(optimizer, rate)
    before = activations(model, x_BLF)
    moved: dict[str, float] = {}
    for step in range(1, 11):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(model(x_BLF), y_B).backward()
        optimizer.step()
        if step in (1, 10):
            for name, after in activations(model, x_BLF).items():
                rms = float((after - before[name]).square().mean().sqrt())
                if rms:
                    moved[f"{name} after {step}"] = math.log(rms)
    return moved


def slopes(
    made: Callable[[int], NetworkDesign], sizes: tuple[int, ...] = WIDTHS
) -> dict[str, float]:
    """Return the slope of each activation's log RMS change against log size, mean of seeds."""
    rows = [[changes(made(size), seed) for seed in SEEDS] for size in sizes]
    x_N = torch.tensor([math.log(size) for size in sizes])
    x_N -= x_N.mean()
    return {
        name: float(x_N @ torch.tensor([sum(s[name] for s in row) for row in rows]))
        / float(x_N @ x_N)
        / len(SEEDS)
        for name in rows[0][0]
    }


def outside(found: dict[str, float], tolerance: float = TOLERANCE) -> dict[str, float]:
    return {name: slope for name, slope in found.items() if abs(slope) > tolerance}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("depth", DEPTHS)
def test_activations_change_alike_at_every_width(depth: int) -> None:
    found = slopes(lambda width: patchtst(width, depth))
    last = f"encoder.layers.{depth - 1}.attention"
    assert {"embedding after 1", f"{last} after 1", f"{last} after 10", "head after 10"} <= {*found}
    assert not outside(found)


def test_wider_heads_change_alike_too() -> None:
    assert not outside(slopes(lambda width: patchtst(width, heads=4)))


def test_the_standard_parametrisation_fails_the_coordinate_check() -> None:
    found = slopes(lambda width: patchtst(width, parametrisation="standard"))
    assert found["embedding after 10"] < -0.9
    assert found["encoder.layers.0.attention_norm after 10"] < -0.9


def test_what_all_layers_together_change_is_alike_at_every_depth() -> None:
    ends = ("encoder.norm after 1", "encoder.norm after 10", "head after 1", "head after 10")
    found = slopes(lambda depth: patchtst(64, depth), (2, 4, 8, 16))
    assert not outside({name: found[name] for name in ends})
    standard = slopes(lambda depth: patchtst(64, depth, parametrisation="standard"), (2, 4, 8))
    # later, what has been learned limits what is left to change
    assert all(standard[name] > 0.2 for name in ends if name.endswith("after 1"))


_MIXER = {"kind": "tsmixer", "width": 32, "ff_width": 128, "rows": 32}
#: Residual networks of the zoo, at their base widths or near.
RESIDUAL: dict[str, dict[str, Any]] = {
    "itransformer, post": {"kind": "itransformer", "width": 64, "norm": "post"},
    "itransformer, pre": {"kind": "itransformer", "width": 64, "norm": "pre"},
    "tsmixer, layer": {**_MIXER, "norm": "layer"},
    "tsmixer, batch": {**_MIXER, "norm": "batch"},
    "moderntcn": {"kind": "moderntcn", "width": 32, "mixing_width": 32},
}


def over_depths(
    sizes: Mapping[str, Any], depths: tuple[int, ...], parametrisation: Parametrisation = "mup"
) -> dict[str, float]:
    """Return the slopes against depth of what the output layer reads and of the output."""
    found = slopes(
        lambda depth: designed(depth=depth, parametrisation=parametrisation, **sizes), depths
    )
    return {name: slope for name, slope in found.items() if "head after" in name}


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_networks_change_alike_at_every_depth(name: str) -> None:
    found = over_depths(RESIDUAL[name], (2, 4, 8, 16))
    ends = ("input of head after 1", "input of head after 10", "head after 1", "head after 10")
    assert {*ends} <= {*found}
    # batch norm on 16 windows: ten steps leave the deepest outputs somewhat smaller
    assert not outside(found, 0.2 if "batch" in name else 0.15)
    # without the multiplier what the layers add grows with their number
    standard = over_depths(RESIDUAL[name], (2, 8), "standard")
    assert standard["input of head after 1"] > 0.5


@pytest.mark.parametrize("kind", ["itransformer", "tsmixer", "moderntcn"])
def test_multipliers_of_the_zoo_follow_depth(kind: str) -> None:
    sizes = next(sizes for sizes in RESIDUAL.values() if sizes["kind"] == kind)

    def multipliers(depth: int, parametrisation: Parametrisation = "mup") -> set[float]:
        model = designed(depth=depth, parametrisation=parametrisation, **sizes).network()
        return {vars(m)["multiplier"] for m in model.modules() if "multiplier" in vars(m)}

    assert [multipliers(depth) for depth in (1, 2, 8)] == [{1.0}, {1.0}, {0.25}]
    assert multipliers(8, "standard") == {1.0}


#: Activations that are no width's: N-HiTS writes its past through a few knots in the middle of the
#: network, and what they change after some steps still falls (slope −.25) up to a width of 512.
BOTTLENECKS = {"nhits": "past"}
#: Families whose cost grows with the product of two widths: seconds up to here, half a minute
#: beyond.
WIDEST = {"moderntcn": 256, "tsmixer": 128}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_passes_the_coordinate_check(kind: str) -> None:
    """Each at multiples of its own base sizes, so that none needs a line here.

    Narrow networks of some families are further from their limit than a PatchTST: hence .15.
    """
    architecture = ARCHITECTURES[kind]
    start = dict.fromkeys(architecture.config.SIZES, 64)
    start |= {"depth": 2} if "depth" in architecture.config.model_fields else {}
    start |= {"patch_length": 8, "stride": 4} if kind == "patchtst" else {}
    first = designed(kind, **start)
    base = architecture.base(first.config, first.interface)

    def made(width: int) -> NetworkDesign:
        grown = {name: value * width // WIDTHS[0] for name, value in base.items()}
        return designed(kind, **start | grown)

    assert base
    found = slopes(made, tuple(width for width in WIDTHS if width <= WIDEST.get(kind, WIDTHS[-1])))
    if kind in BOTTLENECKS:
        found = {name: slope for name, slope in found.items() if BOTTLENECKS[kind] not in name}
    assert not outside(found, 0.15)


# What the coordinate check cannot see


def shrinkage(made: NetworkDesign, rate: float) -> set[float]:
    """Return by what factors a step without gradients shrinks the model's weights."""
    model = made.build()
    config = TrainingConfig(
        learning_rate=rate, weight_decay=0.5, parametrisation=made.interface.parametrisation
    )
    optimizer = make_optimizer(model, config)
    set_learning_rate(optimizer, rate)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return {
        round(float(p.detach().double().norm() / before[name].double().norm()), 6)
        for name, p in model.named_parameters()
        if before[name].any()
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_a_step_shrinks_weights_by_one_factor_at_every_width(width: int) -> None:
    # 1 − .01 · .5 for matrices, and no decay of all else
    assert sorted(shrinkage(patchtst(width), 0.01)) == pytest.approx([0.995, 1.0], abs=1e-6)


def test_in_the_standard_parametrisation_decay_vanishes_with_the_width() -> None:
    shrunk = [
        min(shrinkage(patchtst(width, parametrisation="standard"), learning_rate_for(width)))
        for width in (32, 512)
    ]
    assert 1 - shrunk[0] == pytest.approx(16 * (1 - shrunk[1]), rel=0.05)


def test_gradients_fall_with_the_width_as_epsilon_does() -> None:
    """Number by number: 1/m in hidden matrices, and the same at every width in the output layer."""
    sizes: dict[str, list[float]] = {}
    for width in (64, 512):
        torch.manual_seed(0)
        model = patchtst(width).build()
        binary_cross_entropy_with_logits(model(torch.randn(64, 16, 5)), torch.ones(64)).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            sizes.setdefault(name, []).append(float(parameter.grad.square().mean().sqrt()))
    for name, scale in kinds(patchtst(64)).items():
        if scale.kind != "vectors":
            narrow, wide = sizes[name]
            expected = 1 / 8 if scale.kind == "hidden" else 1.0
            assert wide / narrow == pytest.approx(expected, rel=0.5), name


# Agreement with the package of the paper's authors


class Net(nn.Module):
    """Two hidden layers and a readout of the given class."""

    def __init__(self, width: int, readout: type[nn.Linear] = nn.Linear) -> None:
        super().__init__()
        self.first = nn.Linear(6, width)
        self.second = nn.Linear(width, width)
        self.last = readout(width, 2)

    def forward(self, x_BI: Tensor) -> Tensor:
        y_BO: Tensor = self.last(self.second(self.first(x_BI).tanh()).tanh())
        return y_BO


@pytest.mark.parametrize("width", [16, 32, 256])
def test_agrees_with_the_mup_package(width: int) -> None:
    """The same rates and decays, and the same function after steps from the same function.

    ``mup`` multiplies the readout by 1/m at a constant rate; here its weights are 1/m of theirs,
    and so is their rate.
    """
    mup = pytest.importorskip("mup", reason="the package mup is not installed")
    torch.manual_seed(0)
    theirs = Net(width, mup.MuReadout)
    mup.set_base_shapes(theirs, Net(32, mup.MuReadout), delta=Net(64, mup.MuReadout))
    theirs.double()
    ours = scale_to_base(Net(width), lambda: Net(32), lambda: Net(64)).double()
    ours.load_state_dict(theirs.state_dict())
    m = width / 32
    with torch.no_grad():
        ours.last.weight.div_(m)
    config = TrainingConfig(learning_rate=1e-2, weight_decay=0.1)
    optimizer = make_optimizer(ours, config)
    set_learning_rate(optimizer, 1e-2)
    groups = [
        {"params": [theirs.second.weight, theirs.last.weight]},
        {"params": [theirs.first.weight, *(p for p in theirs.parameters() if p.ndim == 1)],
         "weight_decay": 0.0},
    ]  # fmt: skip
    reference = mup.MuAdamW(groups, lr=1e-2, weight_decay=0.1, betas=config.betas)
    their = _rates(theirs, reference)
    for name, (rate, decay) in _rates(ours, optimizer).items():
        # a rate of 1/m at weights of 1/m is the rate 1 of a multiplier of 1/m
        factor = m if name == "last.weight" else 1.0
        assert (rate * factor, decay / factor) == pytest.approx(their[name]), name
    x_BI, y_BO = torch.randn(20, 6).double(), torch.randn(20, 2).double()
    for _ in range(10):
        for model, one in ((ours, optimizer), (theirs, reference)):
            one.zero_grad()
            (model(x_BI) - y_BO).square().mean().backward()
            one.step()
    # AdamW's ε of 1e-8 is not scaled there
    torch.testing.assert_close(ours(x_BI), theirs(x_BI), rtol=1e-5, atol=1e-5)


def _rates(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, tuple[float, float]]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
