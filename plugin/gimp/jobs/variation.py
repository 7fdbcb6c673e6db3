"""A painting that differs from what is asked for in a few settings, and how those are said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugin.gimp.jobs.request import Order
from plugin.shared.i18n import _, without_mnemonic
from plugin.shared.settings import TABLE, Setting


@dataclass(frozen=True)
class Variation:
    """The settings that differ, with their values."""

    changed: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``Strength 50, Stroke size 100 %``."""
        return ", ".join(
            _("{setting} {value}").format(setting=title(setting), value=value_text(setting, self.changed[setting.name]))
            for setting in TABLE
            if setting.name in self.changed
        )

    def of(self, order: Order) -> Order:
        """The order with these settings."""
        return dataclasses.replace(order, settings=dataclasses.replace(order.settings, **self.changed))


def title(setting: Setting) -> str:
    """What a person calls a setting."""
    return without_mnemonic(_(setting.label))


def value_text(setting: Setting, value: Any) -> str:
    """What a person calls a setting's value."""
    if setting.choices:
        return next(_(choice.label) for choice in setting.choices if choice.value == value)
    if setting.kind is bool:
        return _("on") if value else _("off")
    if setting.kind is str:
        return value or _("default")
    return _("{value} {unit}").format(value=f"{value:g}", unit=_(setting.unit)) if setting.unit else f"{value:g}"
