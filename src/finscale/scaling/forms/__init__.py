"""Law forms as a registry of declared things: adding one is adding an entry."""

from __future__ import annotations

from finscale.registry import Registry
from finscale.scaling.forms import (
    bent,
    interaction,
    overtraining,
    power_law,
    repeated,
    surface,
)
from finscale.scaling.forms.base import Form, Parameter

FORMS: Registry[Form] = Registry("law form")
for _form in (
    power_law.CONSTANT,
    power_law.POWER,
    power_law.POWER_FLOOR,
    power_law.POWER_RISING,
    power_law.PARABOLA,
    bent.BROKEN_POWER,
    bent.M4,
    surface.HOFFMANN,
    surface.DATA_CONSTRAINED,
    repeated.MUENNIGHOFF,
    overtraining.OVERTRAINING,
    overtraining.OVERTRAINING_COMPUTE,
    interaction.INTERACTION,
    interaction.KAPLAN,
    interaction.ROUTED,
):
    FORMS.add(_form.name, _form)

__all__ = ["FORMS", "Form", "Parameter"]
