"""A grid of settings: which ones are varied, and every combination of their values, the cells."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.shared.i18n import _
from plugin.shared.settings import TABLE, Choice, Settings

MOST_CELLS = 400

PROOF_SIZE = 256
"""Long side in pixels that a cell is painted at where the settings leave the size open."""

SCORES = (
    Choice("balance", "Balance", "the geometric mean of “content” and “style”; 0 where one of them is lost"),
    Choice(
        "mahalanobis",
        "Balance (Mahalanobis)",
        "the same, with both distances measured in standard deviations",
    ),
    Choice(
        "content",
        "Content",
        "likeness of the feature maps to the content's: 1 for the content itself, 0 for what is as far from it as the "
        "style picture",
    ),
    Choice(
        "style",
        "Style",
        "likeness of the Gram matrices to the style's: 1 for the style itself, 0 for what is as far from it as the "
        "content; strokes are compared at style-scale 100",
    ),
    Choice("ssim", "SSIM", "structural similarity of the luminance to the content's, at most 1"),
    Choice(
        "loss",
        "Loss",
        "minus the total loss; it ranks ways downhill, such as optimizers and their iterations, and means nothing "
        "between cells that minimize different things",
    ),
)
"""What cells may be ranked by. Of every score more is better."""


@dataclass(frozen=True)
class Grid:
    """Settings that are varied about a base; made by :meth:`of`, which checks them.

    ``vary`` has the values of each axis by its setting's name. A place is one index for each axis, in their order.
    """

    base: Settings
    vary: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, base: Settings, vary: Mapping[str, Iterable[Any]]) -> Grid:
        """The grid of these values; a value that comes twice counts once.

        Raises:
            ValueError: one sentence, for nothing to vary, an unknown setting, a value out of range, an axis without a
                value, or more than :data:`MOST_CELLS` cells.
        """
        if not vary:
            raise ValueError(_("Nothing is varied; name at least one setting with its values."))
        checked = {name: _checked(name, values) for name, values in vary.items()}
        cells = math.prod(map(len, checked.values()))
        if cells > MOST_CELLS:
            sentence = _("These are {cells} cells, and a grid has at most {most}; vary less at once.")
            raise ValueError(sentence.format(cells=cells, most=MOST_CELLS))
        return cls(base, checked)

    def places(self, center: Sequence[int] | None = None) -> list[tuple[int, ...]]:
        """All of them, the last axis fastest; with a center, the nearest to it first."""
        places = list(itertools.product(*(range(len(values)) for values in self.vary.values())))
        return places if center is None else sorted(places, key=lambda place: math.dist(place, center))

    def changed(self, place: Sequence[int]) -> dict[str, Any]:
        """The varied settings of a cell."""
        return {name: values[index] for (name, values), index in zip(self.vary.items(), place)}

    def settings(self, place: Sequence[int]) -> Settings:
        """All settings of a cell."""
        return dataclasses.replace(self.base, **self.changed(place))


def around(name: str, present: Any, count: int = 5) -> list[Any]:
    """Values to try of a setting, in their order, with the present one among them; at most ``count`` of a number.

    Raises:
        ValueError: there is no setting of that name, or its values are texts.
    """
    setting = next((setting for setting in TABLE if setting.name == name), None)
    if setting is None or setting.parse is not None:
        raise ValueError(f"{name!r} is nothing to try values of.")
    if setting.choices:
        return [choice.value for choice in setting.choices if choice.value != "auto" or present == "auto"]
    if setting.kind is bool:
        return [False, True]
    assert setting.minimum is not None and setting.maximum is not None
    shifts = [shift for shift in range(1 - count, count) if shift]
    if step := _STEPS.get(name):
        others = [present + step * shift for shift in shifts]
    else:
        others = [float(f"{(present or 1) * _FACTORS.get(name, 2.0) ** shift:.2g}") for shift in shifts]
    possible = [value for value in others if setting.minimum <= value <= setting.maximum]
    values = sorted({setting.kind(value) for value in (*possible, present)})
    place = values.index(present)
    first = max(0, min(place - count // 2, len(values) - count))
    return values[first : first + count]


def parse(texts: Iterable[str]) -> dict[str, list[Any]]:
    """What to vary from the command line: each text is ``strength=20,50,80``.

    Where a text has a semicolon it separates the values in the place of the comma, for values that contain commas.

    Raises:
        ValueError: one sentence, for a text of another form or a setting that is named twice.
    """
    kinds = {setting.name: setting.kind for setting in TABLE}
    vary: dict[str, list[Any]] = {}
    for text in texts:
        dashed, equals, listed = text.partition("=")
        name = dashed.strip().replace("-", "_")
        if not equals:
            sentence = _("--vary is “{text}”; write the setting and its values like strength=20,50,80.")
            raise ValueError(sentence.format(text=text))
        if name in vary:
            raise ValueError(
                _("{setting} is varied twice; give all its values at once.").format(setting=dashed.strip())
            )
        values = [value.strip() for value in listed.split(";" if ";" in listed else ",")]
        vary[name] = [_SWITCH.get(value, value) for value in values] if kinds.get(name) is bool else list(values)
    return vary


def written(value: Any) -> str:
    """A value as a person reads it: ``50``, ``on``, ``luminance``."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return f"{value:.10g}"
    return value or "default"


def listed(changed: Mapping[str, Any]) -> str:
    """``strength 50, style-scale 200``."""
    return ", ".join(f"{name.replace('_', '-')} {written(value)}" for name, value in changed.items())


_STEPS = {"strength": 20.0, "seed": 1}
"""From one value to the next, of settings that are not tried in multiples."""

_FACTORS = {"style_scale": 2**0.5}
"""From one value to the next, where it is not 2."""

_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def _checked(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    # Both a name that does not exist and a value out of range are refused here, each in the settings' own words.
    checked = dict.fromkeys(getattr(Settings.from_json({name: value}), name) for value in values)
    if not checked:
        raise ValueError(_("{setting} has no values; give at least one.").format(setting=name.replace("_", "-")))
    return tuple(checked)
