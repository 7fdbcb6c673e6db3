"""Windows that ask one thing, as GIMP asks it."""

from __future__ import annotations

from pathlib import Path

from gi.repository import Gio, Gtk

from plugin.gimp.image import style_source
from plugin.gimp.window import pixbufs
from plugin.gimp.window.thumbnails import Background, Thumbnail
from plugin.shared import starter_styles
from plugin.shared.i18n import _, without_mnemonic

_SIZE = 180
"""Pixels of the small version of a picture."""


def tell(window: Gtk.Window, sentence: str, kind: Gtk.MessageType = Gtk.MessageType.ERROR) -> None:
    """Show a sentence until it is closed."""
    dialog = Gtk.MessageDialog(
        title=window.get_title(),
        transient_for=window,
        modal=True,
        message_type=kind,
        buttons=Gtk.ButtonsType.CLOSE,
        text=sentence,
    )
    dialog.run()
    dialog.destroy()


def agrees(window: Gtk.Window, question: str, answer: str) -> bool:
    """Whether a person gives this answer and does not cancel."""
    dialog = Gtk.MessageDialog(
        title=without_mnemonic(answer),
        transient_for=window,
        modal=True,
        message_type=Gtk.MessageType.QUESTION,
        text=question,
    )
    _add_buttons(dialog, answer)
    agreed = dialog.run() == Gtk.ResponseType.OK
    dialog.destroy()
    return agreed


def ask_name(window: Gtk.Window, title: str, suggestion: str) -> str:
    """A name; empty where it was cancelled."""
    dialog = Gtk.Dialog(title=title, transient_for=window, modal=True, border_width=6)
    _add_buttons(dialog, _("_Save"))
    entry = Gtk.Entry(text=suggestion, activates_default=True, width_chars=30)
    label = Gtk.Label.new_with_mnemonic(_("_Name:"))
    label.set_mnemonic_widget(entry)
    box = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6, border_width=6)
    box.pack_start(label, False, False, 0)
    box.pack_start(entry, True, True, 0)
    box.show_all()
    dialog.get_content_area().add(box)

    def allow(entry: Gtk.Entry) -> None:
        dialog.set_response_sensitive(Gtk.ResponseType.OK, bool(entry.get_text().strip()))

    entry.connect("changed", allow)
    allow(entry)
    name = entry.get_text() if dialog.run() == Gtk.ResponseType.OK else ""
    dialog.destroy()
    return name


def file_to_read(window: Gtk.Window, title: str, accept: str, pattern: str) -> Path | None:
    """A file that is there and whose name fits the pattern; None where it was cancelled."""
    return _ask_file(_file_chooser(window, title, Gtk.FileChooserAction.OPEN, accept), pattern)


def file_to_write(window: Gtk.Window, title: str, accept: str, pattern: str, name: str) -> Path | None:
    """A file to write, ``name`` unless a person likes another; None where it was cancelled or must not be replaced."""
    chooser = _file_chooser(window, title, Gtk.FileChooserAction.SAVE, accept)
    chooser.set_do_overwrite_confirmation(True)
    chooser.set_current_name(name)
    return _ask_file(chooser, pattern)


def pictures(window: Gtk.Window, title: str, background: Background) -> list[Gio.File]:
    """Any number of picture files, each seen small before it is opened; none where it was cancelled."""
    chooser = _file_chooser(window, title, Gtk.FileChooserAction.OPEN, _("_Open"))
    chooser.set_select_multiple(True)
    chooser.set_current_folder(str(starter_styles.FOLDER))
    images, everything = Gtk.FileFilter(), Gtk.FileFilter()
    images.set_name(_("All images"))
    images.add_mime_type("image/*")
    for ending in style_source.PICTURE_ENDINGS:
        images.add_pattern(f"*{ending}")
    everything.set_name(_("All files"))
    everything.add_pattern("*")
    chooser.add_filter(images)
    chooser.add_filter(everything)
    picture = Gtk.Image(width_request=_SIZE, margin=6)
    chooser.set_preview_widget(picture)
    chooser.connect("update-preview", _show, picture, background)
    files = chooser.get_files() if chooser.run() == Gtk.ResponseType.OK else []
    chooser.destroy()
    return files


def _show(chooser: Gtk.FileChooserDialog, picture: Gtk.Image, background: Background) -> None:
    uri = chooser.get_preview_uri()
    chooser.set_preview_widget_active(uri is not None)
    if uri is None:
        return

    def put(thumbnail: Thumbnail) -> None:
        if chooser.get_preview_uri() == uri:
            if thumbnail.pixbuf is None:
                picture.clear()
            else:
                pixbufs.show(picture, thumbnail.pixbuf)

    background.thumbnail(Gio.File.new_for_uri(uri), put, _SIZE * picture.get_scale_factor(), urgent=True)


def _file_chooser(window: Gtk.Window, title: str, action: Gtk.FileChooserAction, accept: str) -> Gtk.FileChooserDialog:
    chooser = Gtk.FileChooserDialog(title=title, transient_for=window, modal=True, action=action)
    _add_buttons(chooser, accept)
    return chooser


def _ask_file(chooser: Gtk.FileChooserDialog, pattern: str) -> Path | None:
    chooser.set_current_folder(str(Path.home()))
    fitting = Gtk.FileFilter()
    fitting.set_name(pattern)
    fitting.add_pattern(pattern)
    chooser.add_filter(fitting)
    chosen = chooser.get_filename() if chooser.run() == Gtk.ResponseType.OK else None
    chooser.destroy()
    return Path(chosen) if chosen else None


def _add_buttons(dialog: Gtk.Dialog, answer: str) -> None:
    dialog.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
    dialog.add_button(answer, Gtk.ResponseType.OK)
    dialog.set_default_response(Gtk.ResponseType.OK)
