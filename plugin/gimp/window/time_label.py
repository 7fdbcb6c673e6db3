"""How long the painting will take, said anew whenever the settings change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gi.repository import Gimp, GLib, GObject

from plugin.gimp.image import layers, style_source
from plugin.gimp.image.layers import Box, Refusal
from plugin.gimp.jobs import request
from plugin.gimp.jobs.session import Studio
from plugin.shared import durations
from plugin.shared.i18n import _
from plugin.shared.protocol import Estimate, Estimated

_PAUSE_MILLISECONDS = 200
"""After a change: whoever drags a scale makes many."""

_AGAIN_SECONDS = 2
"""Between two questions about the same: meanwhile the engine learns from what it paints, or there is one again."""


@dataclass(frozen=True)
class Subject:
    """What the window is about: the layers to be painted, ``part`` of them or what is selected, and how."""

    image: Gimp.Image
    sources: Sequence[Gimp.Layer]
    part: Box | None
    config: Gimp.ProcedureConfig

    def estimate(self) -> Estimate:
        """What the engine needs to know to say how long it will take.

        Raises:
            Refusal: it cannot be painted.
        """
        regions = self.config.get_property("regions") or []
        selected = not Gimp.Selection.is_empty(self.image) and not request.takes_whole_layer(self.image, regions)
        boxes = [layers.box(layer, selected, self.part) for layer in self.sources]
        return Estimate(
            id=0,
            contents=[[box.width, box.height] for box in boxes],
            styles=[[0, 0]] * len(style_source.chosen(self.config)),
            settings=request.settings_of(self.config),
            grey=self.image.get_base_type() == Gimp.ImageBaseType.GRAY,
            reported=True,
        )


class Forecast:
    """Asks the studio how long what is chosen will take, until it is closed.

    Args:
        show: told a sentence, or nothing where there is none to say.
    """

    def __init__(self, subject: Subject, studio: Studio, show: Callable[[str], None]) -> None:
        self._subject, self._studio, self._show = subject, studio, show
        self._number = self._timer = 0
        self._handler = subject.config.connect("notify", self._change)
        self._ask()

    def close(self) -> None:
        """Ask and say nothing more."""
        self._subject.config.disconnect(self._handler)
        self._rest()
        self._number += 1

    def _change(self, _config: Gimp.ProcedureConfig, _property: GObject.ParamSpec) -> None:
        self._wait(_PAUSE_MILLISECONDS, self._ask)

    def _wait(self, milliseconds: int, then: Callable[[], bool]) -> None:
        self._rest()
        self._timer = GLib.timeout_add(milliseconds, then)

    def _rest(self) -> None:
        if self._timer:
            GLib.source_remove(self._timer)
            self._timer = 0

    def _ask(self) -> bool:
        self._timer = 0
        self._number += 1
        try:
            asked = self._subject.estimate()
        except Refusal:
            self._show("")  # whoever paints it will be told
        else:
            number = self._number
            self._studio.estimate(
                asked,
                lambda answer: self._tell(number, sentence(answer)),
                lambda error: self._tell(number, not_known(error)),
            )
        return GLib.SOURCE_REMOVE

    def _tell(self, number: int, text: str) -> None:
        if number == self._number:
            self._show(text)
            self._wait(_AGAIN_SECONDS * 1000, self._ask_again)

    def _ask_again(self) -> bool:
        """Ask the engine that is there; to start one is for who wants something new."""
        return self._ask() if self._studio.has_engine else GLib.SOURCE_CONTINUE


def not_known(error: Exception) -> str:
    """That it cannot be said how long it will take, and why."""
    return _("How long it takes is not known. {reason}").format(reason=error)


def sentence(answer: Estimated) -> str:
    """How long it will take on what; nothing where that is not known."""
    if answer.seconds is None:
        return ""
    if answer.kind == "cpu":
        return _("{about} on this computer's CPU").format(about=durations.about(answer.seconds))
    return _("{about} on {device}").format(about=durations.about(answer.seconds), device=answer.name)
