"""The row of the window in which a person keeps settings under names of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from gi.repository import Gimp, GimpUi, GLib, Gtk, Pango

from plugin.gimp.image.layers import Refusal
from plugin.gimp.jobs import request
from plugin.gimp.window import questions
from plugin.shared import formats, preset_files
from plugin.shared.i18n import _
from plugin.shared.preset_files import Preset, PresetError
from plugin.shared.settings import TABLE, Settings

_OWN = tuple(setting for setting in TABLE if setting.name != preset_files.BELONGS_TO_THE_STYLES)
"""The settings that presets have."""

_PATTERN = "*.json"


class PresetBar(Gtk.Box):
    """A list of the kept presets, and a menu to keep more of them; it shows *None* where the settings are none of them.

    A preset sets every setting, to its default where it says nothing of it, and leaves the styles alone.
    """

    def __init__(self, window: Gtk.Window, config: Gimp.ProcedureConfig) -> None:
        super().__init__(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        self._window, self._config = window, config
        self._kept: dict[str, Preset | None] = {}
        """By name, and None for one that cannot be used."""
        self._last_name = ""
        self._waiting = 0
        self._names = Gtk.ComboBoxText(tooltip_text=_("Settings that you have saved under a name"))
        (text,) = self._names.get_cells()
        text.set_property("ellipsize", Pango.EllipsizeMode.END)
        self._handler = self._names.connect("changed", self._choose)
        label = Gtk.Label(label=_("Preset"))
        label.set_mnemonic_widget(self._names)
        button = Gtk.MenuButton(popup=self._menu())
        button.set_image(Gtk.Image.new_from_icon_name(GimpUi.ICON_MENU_LEFT, Gtk.IconSize.BUTTON))
        button.set_tooltip_text(_("Save, rename, delete, import and export presets"))
        button.get_accessible().set_name(_("Presets menu"))
        self.pack_start(label, False, False, 0)
        self.pack_start(self._names, True, True, 0)
        self.pack_start(button, False, False, 0)
        notified = config.connect("notify", self._notice)
        self.connect("destroy", lambda bar: config.disconnect(notified))
        self._list()
        self.show_all()

    def _menu(self) -> Gtk.Menu:
        menu = Gtk.Menu()
        self._for_one = []
        entries: list[tuple[str, Callable[[], None], bool] | None] = [
            (_("_Save as…"), self._save, False),
            (_("_Rename…"), self._rename, True),
            (_("_Delete…"), self._delete, True),
            None,
            (_("_Import…"), self._import, False),
            (_("_Export…"), self._export, False),
        ]
        for entry in entries:
            if entry is None:
                menu.append(Gtk.SeparatorMenuItem())
                continue
            label, action, is_for_one = entry
            item = Gtk.MenuItem.new_with_mnemonic(label)
            item.connect("activate", self._try, action)
            menu.append(item)
            if is_for_one:
                self._for_one.append(item)
        menu.show_all()
        return menu

    def _try(self, item: Gtk.MenuItem, action: Callable[[], None]) -> None:
        try:
            action()
        except (PresetError, Refusal) as error:
            questions.tell(self._window, str(error))

    def _save(self) -> None:
        preset = self._made("")
        if name := self._ask_name(_("Save Preset"), self._last_name):
            preset_files.save(dataclasses.replace(preset, name=name))
            self._list(name)

    def _rename(self) -> None:
        old = self._active()
        if name := self._ask_name(_("Rename Preset"), old):
            preset_files.rename(old, name)
            self._list(name)

    def _delete(self) -> None:
        name = self._active()
        if questions.agrees(self._window, _("Delete the preset “{name}”?").format(name=name), _("_Delete")):
            preset_files.delete(name)
            self._list()

    def _import(self) -> None:
        chosen = questions.file_to_read(self._window, _("Import a Preset"), _("_Import"), _PATTERN)
        if chosen is None:
            return
        preset = preset_files.read(chosen)
        if self._may_have(preset.name):
            preset_files.save(preset)
            self._list(preset.name)
            self._apply(preset)

    def _export(self) -> None:
        preset = self._made(self._active() or self._last_name or _("Neural style"))
        name = preset_files.file_name(preset.name)
        chosen = questions.file_to_write(self._window, _("Export the Preset"), _("_Export"), _PATTERN, name)
        if chosen is not None:
            preset_files.write(preset, chosen)

    def _choose(self, names: Gtk.ComboBoxText) -> None:
        name = self._active()
        if name:
            self._last_name = name
            try:
                self._apply(preset_files.read(preset_files.find(name)))
            except PresetError as error:
                questions.tell(self._window, str(error))
            self._allow()
        else:
            self._notice()

    def _apply(self, preset: Preset) -> None:
        with self._config.freeze_notify():
            for setting in _OWN:
                self._config.set_property(setting.dashed, getattr(preset.settings, setting.name))
        if preset.unknown:
            questions.tell(self._window, formats.note(preset.name, preset.unknown), Gtk.MessageType.WARNING)

    def _settings(self) -> Settings:
        """The settings of the window.

        Raises:
            Refusal: one of the texts means nothing.
        """
        return dataclasses.replace(request.settings_of(self._config), blend="")

    def _made(self, name: str) -> Preset:
        """The settings of the window as a preset, with what that which was chosen last has of another version.

        Raises:
            Refusal: one of the texts means nothing.
        """
        chosen = self._kept.get(self._last_name)
        return Preset(name, self._settings(), chosen.unknown if chosen else {})

    def _list(self, chosen: str = "") -> None:
        """Show the presets that are there now; ``chosen`` was chosen last."""
        self._last_name = chosen
        self._kept = {}
        for name, file in preset_files.kept().items():
            try:
                self._kept[name] = preset_files.read(file)
            except PresetError:
                self._kept[name] = None
        with self._names.handler_block(self._handler):
            self._names.remove_all()
            self._names.append("", _("None"))
            for name in self._kept:
                self._names.append(name, name)
        self._show_active()

    def _notice(self, *_: object) -> None:
        if not self._waiting:  # a preset or a reset sets many at once
            self._waiting = GLib.idle_add(self._show_active)

    def _show_active(self) -> bool:
        """Show which preset the settings are: the one that was chosen last, where several are alike."""
        self._waiting = 0
        try:
            now: Any = self._settings()
        except Refusal:
            now = False
        alike = [name for name, preset in self._kept.items() if preset and preset.settings == now]
        with self._names.handler_block(self._handler):
            self._names.set_active_id(self._last_name if self._last_name in alike else next(iter(alike), ""))
        self._allow()
        return GLib.SOURCE_REMOVE

    def _active(self) -> str:
        return self._names.get_active_id() or ""

    def _allow(self) -> None:
        for item in self._for_one:
            item.set_sensitive(bool(self._active()))

    def _may_have(self, name: str) -> bool:
        """Whether a preset can have this name, which may mean to give up another one."""
        if name not in preset_files.kept():
            return True
        question = _("There is a preset “{name}” already. Replace it?").format(name=name)
        return questions.agrees(self._window, question, _("_Replace"))

    def _ask_name(self, title: str, suggestion: str) -> str:
        """A name that a preset can have; empty where it was cancelled."""
        while suggestion := preset_files.clean_name(questions.ask_name(self._window, title, suggestion)):
            if suggestion == self._active() or self._may_have(suggestion):
                return suggestion
        return ""
