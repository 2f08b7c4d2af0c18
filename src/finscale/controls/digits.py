"""Controls of one law measured with more and more noise: its intervals must hold at every scale."""

from __future__ import annotations

from functools import partial

from finscale.controls.case import CONTROLS, HONEST_INTERVALS, Control, ControlCheck
from finscale.controls.noise import Noise
from finscale.controls.shapes import draw_curve, power_curve, truth_of_power

#: The law: so steep that even the loudest noise leaves its exponent to be seen.
_EXPONENT, _GAIN = 0.3, 0.5
#: Standard deviations of the seeds, in nats.
NOISES = (1e-4, 5e-4, 0.002, 0.01, 0.05)


for _sigma in NOISES:
    _name = f"tenfold, σ = {_sigma:g}"
    # a day's own luck is so small that seeds are what intervals rest on
    _noise = Noise(5, num_days=200, own=_sigma, shared=0.5, seed=_sigma)
    CONTROLS.add(
        _name,
        Control(
            name=_name,
            about=f"a law of exponent {_EXPONENT:g} that gains {_GAIN:g} nats, seeds that differ "
            f"by {_sigma:g}",
            kind="digits",
            draw=partial(draw_curve, partial(power_curve, _EXPONENT, _GAIN), _noise),
            # an exponent's interval ends on a grid of exponents: with little noise it is too wide
            checks=(ControlCheck("covers exponent", at_least=0.90), *HONEST_INTERVALS[1:]),
            truth_G=partial(power_curve, _EXPONENT, _GAIN),
            truth=truth_of_power(_EXPONENT, _GAIN),
        ),
    )
