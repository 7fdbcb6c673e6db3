"""What the window's parts do with the arguments, without the window: styles at hand, several of them, presets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

from gi.repository import GdkPixbuf, Gimp, GimpUi, Gio, Gtk

from plugin.gimp.image.layers import Refusal
from plugin.gimp.jobs import request
from plugin.gimp.window import gallery, gallery_pages, questions, thumbnails
from plugin.gimp.window.gallery import Gallery
from plugin.gimp.window.gallery_pages import Page, Tile
from plugin.gimp.window.preset_bar import PresetBar
from plugin.gimp.window.style_rows import StyleList, StyleRows
from plugin.gimp.window.thumbnails import Background
from plugin.shared import log, paths, preset_files, recent_styles, starter_styles
from plugin.shared.preset_files import Preset
from plugin.shared.settings import Settings
from tests.gimp.inside.stage import FOLDER, STYLE, new_image, new_layer
from tests.gimp.inside.studio import wait
from tests.gimp.inside.walk import below

_CONFIG = FOLDER / "config-of-styles"
_POPPIES = starter_styles.FOLDER / "hokusai_poppies.jpg"


def _config() -> Gimp.ProcedureConfig:
    return Gimp.get_pdb().lookup_procedure("plug-in-neural-style").create_config()


def _file(path: Path) -> Gio.File:
    return Gio.File.new_for_path(str(path))


@contextmanager
def _gallery(config: Gimp.ProcedureConfig) -> Iterator[tuple[StyleList, Gallery]]:
    GimpUi.init("tests")
    with mock.patch.object(paths, "config_folder", return_value=_CONFIG):
        background = Background()
        styles = StyleList(config)
        window, gallery = Gtk.Window(), Gallery(styles, background)
        window.add(gallery)
        window.show_all()
        try:
            yield styles, gallery
        finally:
            window.destroy()
            background.close()


def _pages(gallery: Gallery) -> list[Page]:
    _, stack, _ = gallery.get_children()
    return stack.get_children()


def _message(gallery: Gallery) -> str:
    return gallery.get_children()[2].get_text()


def _click(page: Page, title: str) -> None:
    (tile,) = [tile for tile in page.tiles if tile.get_tooltip_text().startswith(title)]
    page.flow.emit("child-activated", tile)


def _drop(gallery: Gallery, *files: Path) -> None:
    data = mock.Mock(get_uris=lambda: [path.as_uri() for path in files])
    gallery._drop(gallery, None, 0, 0, data)


def _pixels(tile: Tile) -> GdkPixbuf.Pixbuf:
    """The small picture of a tile."""
    (picture,) = tile.get_child().get_children()
    return picture.get_gicon()[0]


def test_a_list_of_styles_is_the_arguments() -> None:
    config = _config()
    config.set_property("style", _file(STYLE))
    config.set_property("more-styles", [str(_POPPIES)])
    config.set_property("regions", ["", "sky"])
    config.set_property("blend", "150,50")
    styles = StyleList(config)
    heard: list[None] = []
    styles.connect("changed", lambda styles: heard.append(None))
    assert [(entry.share, entry.region) for entry in styles.entries] == [(150, ""), (50, "sky")]

    styles.add([_file(starter_styles.FIRST)])
    assert config.get_property("blend") == "150,50,75"
    assert config.get_property("more-styles") == [_POPPIES.as_uri(), starter_styles.FIRST.as_uri()]
    for row in range(3):
        styles.change(row, share=50.0)
    assert config.get_property("blend") in ("", None)
    styles.remove(0)
    assert config.get_property("style").get_path() == str(_POPPIES)
    assert config.get_property("regions") == ["sky", ""]
    assert heard

    styles.row = 1
    for name, value in (("style", None), ("more-styles", []), ("regions", []), ("blend", "")):  # as a reset does
        config.set_property(name, value)
    assert styles.row == 0
    wait(lambda: config.get_property("style") is not None)
    assert config.get_property("style").get_path() == str(starter_styles.FIRST)


def test_what_is_open_goes_first_and_only_one_of_it() -> None:
    image = new_image()
    layer, other = new_layer(image, "one"), new_layer(image, "two")
    config = _config()
    config.set_property("style", _file(STYLE))
    styles = StyleList(config)
    styles.add([_file(_POPPIES)])
    styles.row = 1
    styles.change(1, region="sky")
    styles.take(layer)
    assert (config.get_property("style-layer"), config.get_property("style")) == (layer, None)
    assert config.get_property("more-styles") == [STYLE.as_uri()]
    assert config.get_property("regions") == ["sky", ""]
    assert styles.row == 0
    before = styles.entries
    styles.row = 1
    sentence = ""
    try:
        styles.take(other)
    except Refusal as refusal:
        sentence = str(refusal)
    assert "Only one style can be an open layer" in sentence
    assert [entry.key for entry in styles.entries] == [entry.key for entry in before]
    styles.remove(0)
    assert (config.get_property("style-layer"), config.get_property("more-styles")) == (None, [])


@contextmanager
def _rows(config: Gimp.ProcedureConfig, image: Gimp.Image) -> Iterator[tuple[StyleList, StyleRows]]:
    GimpUi.init("tests")
    styles, background = StyleList(config), Background()
    window, rows = Gtk.Window(), StyleRows(styles, image, background)
    window.add(rows)
    window.show_all()
    try:
        yield styles, rows
    finally:
        window.destroy()
        background.close()


def _places(rows: StyleRows) -> list[Gtk.ComboBoxText]:
    return list(below(rows, Gtk.ComboBoxText))


def _shares(rows: StyleRows) -> list[Gtk.Adjustment]:
    return [scale.get_adjustment() for scale in below(rows, Gtk.Scale)]


def test_a_region_that_this_image_lacks_is_shown_as_missing_until_another_is_chosen() -> None:
    image = new_image()
    new_layer(image, "sky")
    config = _config()
    config.set_property("style", _file(STYLE))
    config.set_property("more-styles", [str(_POPPIES)])
    config.set_property("regions", ["sky", "sea"])
    with _rows(config, image) as (_, rows):
        assert [place.get_active_text() for place in _places(rows)] == ["sky", "Missing: sea"]
        assert config.get_property("regions") == ["sky", "sea"]
        sentence = ""
        try:
            request.of_config(image, config)
        except Refusal as refusal:
            sentence = str(refusal)
        assert "no channel or layer “sea”" in sentence
        _places(rows)[1].set_active_id("")
        assert config.get_property("regions") == ["sky", ""]
        assert len(request.of_config(image, config).regions) == 2


def test_only_the_share_that_a_person_changes_is_changed() -> None:
    image = new_image()
    for blend, shown, share, changed in (
        ("0.2,0.8", [25, 100], 50, "0.4,0.8"),
        ("1000,1", [100, 1], 50, "1000,500"),
        ("60, 40.25", [60, 40.25], 80, "60,80"),
        ("", [50, 50], 25, "50,25"),
    ):
        config = _config()
        config.set_property("style", _file(STYLE))
        config.set_property("more-styles", [str(_POPPIES)])
        config.set_property("blend", blend)
        with _rows(config, image) as (styles, rows):
            assert [share.get_value() for share in _shares(rows)] == shown, blend
            styles.take(_file(starter_styles.FIRST))
            _places(rows)[0].set_active_id("selection")
            assert (config.get_property("blend") or "") == blend, "something else was changed"
            touched = _shares(rows)[blend != "0.2,0.8"]
            touched.set_value(share)
            assert touched in _shares(rows), "the scale was made anew under the pointer"
            assert config.get_property("blend") == changed
            touched.set_value(30)
            touched.set_value(share)
            assert config.get_property("blend") == changed


def test_the_gallery_takes_what_is_there_and_says_what_is_not() -> None:
    gone = FOLDER / "gone.png"
    broken = FOLDER / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    recent_file = _CONFIG / "styles.json"
    recent_file.parent.mkdir()
    recent_file.write_text("{ broken", encoding="utf-8")
    config = _config()
    config.set_property("style", _file(starter_styles.FIRST))
    with mock.patch.object(paths, "config_folder", return_value=_CONFIG):
        assert recent_styles.load().styles == ()
        recent_styles.use(gone.as_uri(), broken.as_uri())
    with _gallery(config) as (_, gallery):
        starting, used, _, opened = _pages(gallery)
        assert starting.tiles[0].get_accessible().get_name() == "The Ramparts at Aigues-Mortes – Frédéric Bazille"
        _click(starting, "Poppies – Katsushika Hokusai")
        assert config.get_property("style").get_path() == str(_POPPIES)

        missing, damaged = used.tiles
        wait(lambda: missing.trouble and "No preview" in _words(damaged))
        assert "Not found" in _words(missing)
        assert "broken.jpg” cannot be shown here" in damaged.get_tooltip_text()
        _click(used, "gone.png")
        assert "gone.png” is not there any more" in _message(gallery)
        assert config.get_property("style").get_path() == str(_POPPIES)

        image = new_image()
        layer = new_layer(image, "open layer")
        opened.emit("map")
        _click(opened, "open layer – ")
        assert config.get_property("style-layer") == layer
        assert _message(gallery) == ""


def test_a_folder_of_too_many_pictures_says_how_many_there_are() -> None:
    folder = FOLDER / "many"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        shutil.copy(STYLE, folder / name)
    (folder / "notes.txt").write_text("no picture", encoding="utf-8")
    with mock.patch.object(paths, "config_folder", return_value=_CONFIG):
        recent_styles.choose_folder(folder.as_uri())
    for most, said in ((2, "The first 2 of 3 pictures; open or drop the others."), (3, "")):
        with mock.patch.object(gallery_pages, "_MOST", most), _gallery(_config()) as (_, gallery):
            page = _pages(gallery)[2]
            _, rest, _ = page.get_children()
            wait(partial(len, page.flow))
            assert len(page.tiles) == most
            assert (rest.get_text() if rest.get_visible() else "") == said


def test_dropped_files_become_styles_and_are_remembered_and_others_are_told() -> None:
    one, two, text = FOLDER / "one.jpg", FOLDER / "two.jpg", FOLDER / "notes.txt"
    one.write_bytes(STYLE.read_bytes())
    two.write_bytes(_POPPIES.read_bytes())
    text.write_text("no picture", encoding="utf-8")
    config = _config()
    with _gallery(config) as (styles, gallery):
        _drop(gallery, one, text, two)
        wait(lambda: len(styles.entries) == 2)
        assert [entry.key for entry in styles.entries] == [one.as_uri(), two.as_uri()]
        wait(lambda: _message(gallery))
        assert _message(gallery) == "“notes.txt” is no picture; choose another file."
        assert recent_styles.load().styles[:2] == (one.as_uri(), two.as_uri())
        _drop(gallery, FOLDER / "nowhere.png")
        wait(lambda: "nowhere.png" in _message(gallery))
        assert len(styles.entries) == 2


def test_a_surprise_about_one_style_is_told_and_the_gallery_goes_on() -> None:
    log.to_file()
    bad, good = FOLDER / "surprising.jpg", FOLDER / "good.jpg"
    folder = FOLDER / "surprising"
    folder.mkdir()
    for path in (bad, good, folder / "inside.jpg"):
        path.write_bytes(STYLE.read_bytes())
    sentence = f"Neural Style failed unexpectedly (ZeroDivisionError: a surprise); there is more in {log.file()}."

    def surprised(real: Callable[..., object]) -> Callable[..., object]:
        def wrapped(file: Gio.File, *more: object) -> object:
            if "surprising" in file.get_uri():
                raise ZeroDivisionError("a surprise")
            return real(file, *more)

        return wrapped

    config = _config()
    with (
        mock.patch.object(thumbnails, "_load", surprised(thumbnails._load)),
        mock.patch.object(gallery, "_problem", surprised(gallery._problem)),
        mock.patch.object(gallery_pages, "_pictures_in", surprised(gallery_pages._pictures_in)),
        mock.patch.object(paths, "config_folder", return_value=_CONFIG),
    ):
        recent_styles.use(bad.as_uri(), good.as_uri())
        recent_styles.choose_folder(folder.as_uri())
        with _gallery(config) as (_, shown):
            _, used, own, _ = _pages(shown)
            surprising, plain = used.tiles[:2]
            wait(lambda: plain.get_child().get_children(), "the small picture after the one that surprised")
            assert _pixels(plain)
            assert "No preview" in _words(surprising)
            assert sentence in surprising.get_tooltip_text()
            _click(used, "surprising.jpg")
            assert config.get_property("style").get_path() == str(bad)
            wait(lambda: own._hint.get_label() == sentence, "word of the folder")

            _drop(shown, bad)
            wait(lambda: _message(shown) == sentence, "word of what was dropped")
            _drop(shown, good)
            wait(lambda: config.get_property("style").get_path() == str(good), "what was dropped then")
            assert _message(shown) == ""
    assert "ZeroDivisionError: a surprise" in log.file().read_text(encoding="utf-8")


def test_a_small_picture_stands_upright() -> None:
    """The camera's orientation says: turned by a quarter."""
    upright = FOLDER / "turned.jpg"
    plain = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, 200, 100)
    plain.fill(0x3366FFFF)
    plain.savev(str(upright), "jpeg", [], [])
    data = upright.read_bytes()
    orientation = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    upright.write_bytes(data[:2] + b"\xff\xe1" + (len(orientation) + 2).to_bytes(2, "big") + orientation + data[2:])
    with _gallery(_config()) as (_, gallery):
        gallery.take(_file(upright))
        (tile,) = [tile for tile in _pages(gallery)[1].tiles if tile.source.get_path() == str(upright)]
        wait(lambda: tile.get_child().get_children())
        small, channels = _pixels(tile), 4
        line = small.get_pixels()[40 * small.get_rowstride() :]
        opaque = [x for x in range(small.get_width()) if line[x * channels + 3]]
        assert (len(opaque), opaque[0]) == (48, 24)


def _words(tile: Tile) -> Sequence[str]:
    return [child.get_label() for child in tile.get_child().get_children() if isinstance(child, Gtk.Label)]


def test_a_preset_sets_every_setting_and_no_style() -> None:
    GimpUi.init("tests")
    config = _config()
    config.set_property("style", _file(STYLE))
    config.set_property("more-styles", [str(_POPPIES)])
    config.set_property("blend", "70,30")
    config.set_property("seed", 9)
    with mock.patch.object(paths, "config_folder", return_value=FOLDER / "config-of-presets"):
        preset_files.save(Preset("strong", Settings(strength=80.0)))
        bar = PresetBar(Gtk.Window(), config)
        _, names, _ = bar.get_children()
        assert names.get_active_text() == "None"
        names.set_active_id("strong")
        assert (config.get_property("strength"), config.get_property("seed")) == (80, 0)
        assert config.get_property("blend") == "70,30"
        assert config.get_property("style").get_path() == str(STYLE)
        wait(lambda: names.get_active_id() == "strong")

        config.set_property("strength", 81.0)
        wait(lambda: names.get_active_text() == "None")
        config.set_property("strength", 80.0)
        wait(lambda: names.get_active_id() == "strong")

        told: list[str] = []
        broken = paths.presets_folder() / "broken.json"
        broken.write_text('{"settings": {"strength": 70, "size": 20000}}', encoding="utf-8")
        bar.destroy()
        _, names, _ = PresetBar(Gtk.Window(), config).get_children()
        with mock.patch.object(questions, "tell", lambda window, sentence: told.append(sentence)):
            names.set_active_id("broken")
        assert len(told) == 1 and "size is 20000; it must lie between 0 and 16384." in told[0]
        assert (config.get_property("strength"), config.get_property("size")) == (80, 0)
