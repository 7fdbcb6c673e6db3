"""Registers with GIMP; :func:`run` makes layers into jobs and their results into new layers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from gi.repository import Gegl, Gimp, Gio, GLib, GObject

from plugin import client, locations, protocol, settings, words
from plugin.gimp import layers, parasite, style
from plugin.gimp.layers import Look, Refusal
from plugin.gimp.style import Style
from plugin.protocol import Job, Progress
from plugin.settings import Setting, Settings
from plugin.words import _

NAME = "plug-in-neural-style"

_REPORT_EVERY = 10
"""Iterations from one line of the report to the next; asking for lines also has the likeness computed."""

_log = logging.getLogger("neural-style.gimp")


class NeuralStyle(Gimp.PlugIn):
    """The plug-in as GIMP sees it."""

    def do_set_i18n(self, procedure_name: str) -> tuple[bool, str, str]:
        return True, words.DOMAIN, words.CATALOGUES.relative_to(locations.PLUG_IN_ROOT).as_posix()

    def do_query_procedures(self) -> list[str]:
        return [NAME]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES)
        procedure.set_documentation(
            _("Paint layers in the style of a picture"),
            _(
                "Makes a new layer above each selected one: its content, painted in the style of another picture "
                "with the method of Gatys, Ecker and Bethge (Image Style Transfer Using Convolutional Neural Networks, "
                "2016)."
            ),
            name,
        )
        procedure.set_menu_label(_("_Neural Style Transfer…"))
        procedure.set_attribution("Neural Style for GIMP", "Neural Style for GIMP", "2026")
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.add_file_argument(
            "style",
            _("St_yle"),
            _("The picture whose style the layers get."),
            Gimp.FileChooserAction.ANY,
            True,
            None,
            GObject.ParamFlags.READWRITE,
        )
        procedure.add_string_array_argument(
            "more-styles",
            _("More styles"),
            _("Paths or URIs of further style pictures; “blend” says how much each style counts."),
            GObject.ParamFlags.READWRITE,
        )
        # Not an array of drawables: GIMP 3.0 refuses one that is empty or left out.
        procedure.add_string_array_argument(
            "regions",
            _("Regions"),
            _(
                "Where each style is wanted, in the order of the styles: the name of a channel, or of a layer, which "
                "counts with its mask or else with its lightness; “selection” is the selection. A style with no name, "
                "or beyond the last one, is wanted everywhere."
            ),
            GObject.ParamFlags.READWRITE,
        )
        for setting in settings.TABLE:
            _add_argument(procedure, setting)
        procedure.add_core_object_array_return_value(
            "layers",
            _("Layers"),
            _("The new layers, in the order of the given ones."),
            Gimp.Layer,
            GObject.ParamFlags.READWRITE,
        )
        return procedure


def main(arguments: Sequence[str]) -> None:
    """Hand over to GIMP."""
    Gimp.main(NeuralStyle.__gtype__, list(arguments))


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
    data: Any,
) -> Gimp.ValueArray:
    """Style the selected layers; GIMP calls this, with the arguments that are registered above in ``config``."""
    Gegl.init(None)
    client.log_to_file()
    try:
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from plugin.gimp import dialog  # GTK wants a display, which a batch run may not have

            if not dialog.run(procedure, config, image):
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
        files = [config.get_property("style"), *map(_file, config.get_property("more-styles") or [])]
        regions = config.get_property("regions") or []
        made = stylize(image, drawables, files, regions, _settings(config))
    except (Refusal, client.EngineError) as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(error)))
    except Exception:
        _log.exception("the filter failed")
        sentence = _("Neural Style failed and added nothing; what happened is written in {file}.")
        surprise = GLib.Error(sentence.format(file=locations.log_file()))
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, surprise)
    return _success(procedure, made)


def stylize(
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    style_files: Sequence[Gio.File | None],
    region_names: Sequence[str],
    chosen: Settings,
) -> list[Gimp.Layer]:
    """Make one new layer above each of the given ones, all of them or none, and return them.

    ``region_names`` are for the first styles, in their order; a style with none, or an empty one, is wanted everywhere.
    A selection that is a region says where its style goes and not what is styled: then it is the whole of each layer.

    Raises:
        Refusal: one sentence, what is asked cannot be done.
        client.EngineError: one sentence, the engine cannot do it.
    """
    sources = layers.check(drawables)
    regions = _regions(image, region_names, len(style_files))
    _check_blend(chosen, len(style_files))
    styles = [style.read(file) for file in style_files]
    whole = any(isinstance(region, Gimp.Selection) for region in regions)
    looks = [layers.read(image, layer, whole) for layer in sources]
    masks = [[None if region is None else layers.region(look, region) for region in regions] for look in looks]
    told = [None if region is None else name for region, name in zip_longest(regions, region_names)]
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    notes = []
    Gimp.progress_init(_("Neural style: starting the engine"))
    with client.Engine() as engine:
        for place, look in enumerate(looks):
            sent = [protocol.Style(each.picture, mask) for each, mask in zip(styles, masks[place], strict=True)]
            job = Job(place, look.picture(), sent, chosen, grey, report_every=_REPORT_EVERY)
            for event in engine.run(job):
                if isinstance(event, Progress):
                    _tell(looks, place, event)
                else:
                    look.paint(event.picture)
                    notes.append(parasite.make(look, styles, told, event))
    Gimp.progress_end()
    layers.check_still_there(looks)
    made = []
    for look, note in zip(looks, notes, strict=True):
        layer = look.make_layer(image, _layer_name(look, styles))
        layer.attach_parasite(note)
        made.append((look, layer))
    layers.add(image, made)
    return [layer for _, layer in made]


def progress_text(event: Progress, place: int, count: int, seconds_left: float) -> str:
    """One line for GIMP's progress bar; ``place`` counts the layers from 0."""
    which = _("layer {number} of {count}, ").format(number=place + 1, count=count) if count > 1 else ""
    seconds, minutes = _("{seconds:.0f} s"), _("{minutes:.0f} min")
    left = (seconds if seconds_left < 100 else minutes).format(seconds=seconds_left, minutes=seconds_left / 60)
    text = _(
        "Neural style: {layer}scale {scale} of {scales} ({width} × {height}), iteration {iteration} of {iterations}, "
        "about {left} left"
    )
    return text.format(
        layer=which,
        scale=event.scale,
        scales=event.scales,
        width=event.width,
        height=event.height,
        iteration=event.iteration,
        iterations=event.iterations,
        left=left,
    )


def _tell(looks: Sequence[Look], place: int, event: Progress) -> None:
    """Show how far all the layers are, each counted with its area."""
    areas = [look.box.width * look.box.height for look in looks]
    before, this, after = sum(areas[:place]), areas[place], sum(areas[place + 1 :])
    seconds_left = event.seconds_left + (event.seconds + event.seconds_left) * after / this
    Gimp.progress_set_text(progress_text(event, place, len(looks), seconds_left))
    Gimp.progress_update((before + this * event.fraction) / sum(areas))


def _file(path_or_uri: str) -> Gio.File:
    return Gio.File.new_for_commandline_arg(path_or_uri)


def _settings(config: Gimp.ProcedureConfig) -> Settings:
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


def _layer_name(look: Look, styles: Sequence[Style]) -> str:
    more = f" +{len(styles) - 1}" if len(styles) > 1 else ""
    return f"{look.name} — {styles[0].name}{more}"


def _add_argument(procedure: Gimp.Procedure, setting: Setting) -> None:
    """Make an argument of the PDB from an entry of the table of settings."""
    described = (setting.dashed, _(setting.title), _(setting.help))
    flags = GObject.ParamFlags.READWRITE
    if setting.choices:
        choice = Gimp.Choice.new()
        for number, each in enumerate(setting.choices):
            choice.add(each.value, number, _(each.label), _(each.help))
        procedure.add_choice_argument(*described, choice, setting.default, flags)
    elif setting.kind is str:
        procedure.add_string_argument(*described, setting.default, flags)
    elif setting.kind is bool:
        procedure.add_boolean_argument(*described, setting.default, flags)
    elif setting.kind is int:
        procedure.add_int_argument(*described, setting.minimum, setting.maximum, setting.default, flags)
    else:
        procedure.add_double_argument(*described, setting.minimum, setting.maximum, setting.default, flags)


def _success(procedure: Gimp.Procedure, made: list[Gimp.Layer]) -> Gimp.ValueArray:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    # Python has no way to fill an array of objects but a config's; its argument for drawables lends the type.
    config = procedure.create_config()
    config.set_core_object_array("drawables", made)
    array = GObject.Value(Gimp.core_object_array_get_type(), config.get_property("drawables"))
    values.remove(1)
    values.insert(1, array)
    return values
