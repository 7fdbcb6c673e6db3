"""What is asked for: which layers, in which styles, where, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from gi.repository import Gimp

from plugin.gimp.image import layers, style_source
from plugin.gimp.image.layers import Box, Look, Refusal, View
from plugin.gimp.image.style_source import Source, Style
from plugin.shared import settings
from plugin.shared.i18n import _
from plugin.shared.protocol import Job, Mask
from plugin.shared.protocol import Style as StyleOfJob
from plugin.shared.settings import Settings


@dataclass(frozen=True)
class Order:
    """Styles with their regions and the settings, checked against the image.

    ``regions`` has for each style a channel, a layer, the selection, or None where it is wanted everywhere;
    ``region_names`` what a person calls them; ``unknown`` settings of another version, for the painted layer to keep.
    """

    image: Gimp.Image
    styles: list[Style]
    regions: list[Gimp.Drawable | None]
    region_names: list[str | None]
    settings: Settings
    unknown: dict[str, Any] = field(default_factory=dict)

    def look(self, layer: Gimp.Layer, part: Box | None = None) -> Look:
        """The layer, as far as it is to be styled: that part of it, or what is selected.

        A selection that is a region says where its style goes and not what is styled: then it is the whole layer.

        Raises:
            Refusal: the selection misses the layer, or what is to be styled is too small.
        """
        return layers.read(self.image, layer, _has_selection(self.regions), part)

    def layer_name(self, source: str) -> str:
        """The name of a layer that is painted from the one of that name."""
        return layer_name(source, [each.name for each in self.styles])

    def masks(self, look: Look, view: View | None = None) -> list[Mask | None]:
        """Where each style is wanted in a layer, or in what is in view of it."""
        return [None if region is None else layers.region(look, region, view) for region in self.regions]

    def job(self, look: Look, masks: Sequence[Mask | None], view: View | None = None) -> Job:
        """The job for a layer, or for what is in view of it, with its :meth:`masks`."""
        styles = [StyleOfJob(each.picture, mask) for each, mask in zip(self.styles, masks, strict=True)]
        grey = self.image.get_base_type() == Gimp.ImageBaseType.GRAY
        return Job(0, look.picture(view), styles, self.settings, grey)


def takes_whole_layer(image: Gimp.Image, region_names: Sequence[str]) -> bool:
    """Whether :meth:`Order.look` will take all of a layer, whatever is selected.

    Raises:
        Refusal: the image has no region of one of the names.
    """
    return _has_selection(_regions(image, region_names, len(region_names)))


def of(
    image: Gimp.Image,
    sources: Sequence[Source | None],
    region_names: Sequence[str],
    chosen: Settings,
    read: Callable[[Source | None], Style] = style_source.read,
) -> Order:
    """Read the styles and find their regions.

    ``region_names`` are for the first styles, in their order; a style with none, or an empty one, is wanted everywhere.

    Raises:
        Refusal: one sentence, what is asked cannot be done.
    """
    regions = _regions(image, region_names, len(sources))
    _check_blend(chosen, len(sources))
    names = [None if region is None else name for region, name in zip_longest(regions, region_names)]
    return Order(image, [read(source) for source in sources], regions, names, chosen)


def of_config(
    image: Gimp.Image, config: Gimp.ProcedureConfig, read: Callable[[Source | None], Style] = style_source.read
) -> Order:
    """The order in the procedure's arguments.

    Raises:
        Refusal: as :func:`of`.
    """
    return of(image, style_source.chosen(config), config.get_property("regions") or [], settings_of(config), read)


def layer_name(source: str, styles: Sequence[str]) -> str:
    """The name of a layer that is painted from another, with styles of these names."""
    more = f" +{len(styles) - 1}" if len(styles) > 1 else ""
    return f"{source} — {styles[0]}{more}"


def settings_of(config: Gimp.ProcedureConfig) -> Settings:
    """The settings among the arguments.

    Raises:
        Refusal: one of the texts means nothing.
    """
    given = {setting.name: config.get_property(setting.dashed) for setting in settings.TABLE}
    try:
        # A script may leave a text out with NULL.
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise Refusal(str(error)) from error


def _has_selection(regions: Sequence[Gimp.Drawable | None]) -> bool:
    return any(isinstance(region, Gimp.Selection) for region in regions)


def _regions(image: Gimp.Image, names: Sequence[str], count: int) -> list[Gimp.Drawable | None]:
    """The region of each of so many styles; None for one that is wanted everywhere.

    Raises:
        Refusal: there are more regions than styles, or the image has none of that name.
    """
    if len(names) > count:
        sentence = _("The number of regions is {regions} and that of styles {styles}; give one style for each.")
        raise Refusal(sentence.format(regions=len(names), styles=count))
    found = [layers.find_region(image, name) if name else None for name in names]
    # What nothing is selected in works on everything, as always in GIMP.
    nothing = Gimp.Selection.is_empty(image)
    wanted = [None if nothing and isinstance(region, Gimp.Selection) else region for region in found]
    return [*wanted, *[None] * (count - len(wanted))]


def _check_blend(chosen: Settings, count: int) -> None:
    """See that there is a weight for each style, or none at all.

    Raises:
        Refusal: it is not so.
    """
    if (numbers := len(settings.parse_blend(chosen.blend))) not in (0, count):
        sentence = _("The number of styles is {styles} and that of weights in “blend” {numbers}; give one for each.")
        raise Refusal(sentence.format(styles=count, numbers=numbers))
