"""Law forms as a registry of declared things: adding one is adding an entry."""

from __future__ import annotations

from finscale.registry import Registry
from finscale.scaling.forms.base import Form, Parameter
from finscale.scaling.forms.bent import BROKEN_POWER, M4
from finscale.scaling.forms.power_law import (
    CONSTANT,
    PARABOLA,
    POWER,
    POWER_FLOOR,
    POWER_RISING,
)
from finscale.scaling.forms.surface import DATA_CONSTRAINED, HOFFMANN

FORMS: Registry[Form] = Registry("law form")
for _form in (
    CONSTANT,
    POWER,
    POWER_FLOOR,
    POWER_RISING,
    PARABOLA,
    BROKEN_POWER,
    M4,
    HOFFMANN,
    DATA_CONSTRAINED,
):
    FORMS.add(_form.name, _form)

__all__ = ["FORMS", "Form", "Parameter"]
