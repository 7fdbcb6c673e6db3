"""The formats of what people keep: an older one is made into today's, a newer one is known to be one.

Everything that is kept is a JSON object whose ``format`` is a number of its own, apart from the program's version. A
new number is due when what was there before changes its name, place or meaning. What is merely added needs none: a
setting that is not known is kept as it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from plugin.shared.i18n import _
from plugin.shared.settings import TABLE, Settings

Told = dict[str, Any]
"""A JSON object as it was found, or as a format has it."""


class Kind(Enum):
    """What is kept."""

    PRESET = "preset"
    PAINTED_LAYER = "painted layer"
    RECENT_STYLES = "recent styles"
    CLOCK = "clock"


STEPS: dict[Kind, tuple[Callable[[Told], Told], ...]] = {
    Kind.PRESET: (),
    Kind.PAINTED_LAYER: (),
    Kind.RECENT_STYLES: (),
    Kind.CLOCK: (),
}
"""For each kind what makes format 1 into 2, 2 into 3 and so on.

Format 1 is that of 1.0.0, which wrote no number. A step may change what it is given, and may stumble over what is not
as its format has it.
"""


class Newer(ValueError):
    """A later version wrote it; ``told`` is what it has."""

    def __init__(self, told: Told) -> None:
        super().__init__("a later version wrote it")
        self.told = told


class WrongSetting(ValueError):
    """One sentence: what is wrong with the value of a setting."""


def current(kind: Kind) -> int:
    """The number of today's format."""
    return 1 + len(STEPS[kind])


def numbered(kind: Kind, told: Told) -> Told:
    """``told``, which is as today's format has it, with that format's number."""
    return {"format": current(kind), **told}


def migrate(kind: Kind, told: Any) -> Told:
    """What was kept, as today's format has it.

    Raises:
        Newer: a later version wrote it.
        ValueError: it is damaged or something else; what it lacks may be found only by who looks for it.
    """
    number = told.get("format", 1) if isinstance(told, dict) else None
    if type(number) is not int or number < 1:
        raise ValueError(f"this is no {kind.value}")
    if number > current(kind):
        raise Newer(told)
    try:
        for step in STEPS[kind][number - 1 :]:
            told = step(told)
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"this {kind.value} is not as format {number} has it") from error
    return told | {"format": current(kind)}


def version_in(told: Mapping[str, Any]) -> str:
    """The version of the program that wrote it, as a sentence can have it."""
    return _line([told.get("version", "?")], 20)


def settings_in(values: Any) -> tuple[Settings, Told]:
    """The settings of a JSON object, and what in it is no setting of this version.

    Raises:
        WrongSetting: a value is of another kind or out of range.
        ValueError: it is no object.
    """
    if not isinstance(values, dict):
        raise ValueError("these are no settings")
    names = {setting.name for setting in TABLE}
    try:
        known = Settings.from_json({name: value for name, value in values.items() if name in names})
    except ValueError as error:
        raise WrongSetting(str(error)) from error
    return known, {name: value for name, value in values.items() if name not in names}


def note(name: str, unknown: Iterable[str]) -> str:
    """Tell a person that what has this name has settings that are not known to this version."""
    sentence = _("“{name}” has settings that are not known to this version; they are kept and do nothing: {settings}.")
    return sentence.format(name=name, settings=_line(sorted(unknown), 100))


def _line(words: Iterable[object], width: int) -> str:
    """Words that may be anything, in one line that can be shown."""
    text = ", ".join(map(str, words)).encode("utf-8", "replace").decode("utf-8")
    return textwrap.shorten(text, width, placeholder="…")
