"""Law forms as a registry of declared things: adding one is adding an entry."""

from __future__ import annotations

from finscale.registry import Registry
from finscale.scaling.forms.base import Form, Parameter
from finscale.scaling.forms.power import (
    CONSTANT,
    PARABOLA,
    POWER,
    POWER_FLOOR,
    POWER_RISING,
)

FORMS: Registry[Form] = Registry("law form")
for _form in (
    CONSTANT,
    POWER,
    POWER_FLOOR,
    POWER_RISING,
    PARABOLA,
):
    FORMS.add(_form.name, _form)

__all__ = ["FORMS", "Form", "Parameter"]
