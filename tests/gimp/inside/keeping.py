"""What an earlier version left behind is opened, painted anew and kept; what a later one added is not lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from gi.repository import Gimp, GimpUi, Gio, Gtk

from plugin import __version__
from plugin.gimp import procedure, restyle
from plugin.gimp.image import style_source
from plugin.gimp.window import questions
from plugin.gimp.window.preset_bar import PresetBar
from plugin.shared import formats, paths, preset_files, recent_styles
from plugin.shared.formats import Kind
from plugin.shared.preset_files import Preset
from plugin.shared.settings import Settings
from tests.fixtures import OF_1_0_0
from tests.gimp.inside import tour, walk
from tests.gimp.inside.restyling import _painted, _refused, _restyled, _tell
from tests.gimp.inside.stage import FOLDER, REPOSITORY, STYLE, SUCCESS, call, difference, recipe, tree

_LATER = {"glaze": {"depth": 0.5}, "grain": [1, 2]}
"""Settings that no version has."""

_PLUG_IN_OF_1_0_0 = "/home/painter/.config/GIMP/3.0/plug-ins/neural-style"


def _opened(file: Path) -> Gimp.Image:
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(file)))


def test_a_starter_style_that_was_chosen_in_1_0_0_is_where_it_is_now() -> None:
    config = Gimp.get_pdb().lookup_procedure(procedure.NAME).create_config()
    one = Path(_PLUG_IN_OF_1_0_0, "plugin/styles", STYLE.name)
    more, own = "/gone/plugin/styles/hokusai_poppies.jpg", "/a.jpg"
    config.set_property("style", Gio.File.new_for_path(str(one)))
    config.set_property("more-styles", [more, own])
    found = [Path(source.get_path()) for source in style_source.chosen(config) if source]
    assert found == [STYLE, STYLE.with_name("hokusai_poppies.jpg"), Path(own)]


def test_what_1_0_0_painted_is_painted_anew_after_it_was_saved() -> None:
    image = _opened(OF_1_0_0 / "painted.xcf")
    names = tree(image)
    assert names == ["Cat — hokusai_great_wave.jpg", "Cat — Poppies +1", "Cat", "Poppies"]
    source = image.get_layer_by_name("Cat")
    for name in names[:2]:
        before = image.get_layer_by_name(name)
        old, pixels = recipe(before), Gimp.Layer.new_from_drawable(before, image)
        assert "format" not in old
        before.fill(Gimp.FillType.WHITE)

        layer = _restyled(before)

        assert tree(image) == names
        # Another processor or library may paint a little differently.
        assert 4 * difference(layer, pixels) < difference(layer, source)
        pixels.delete()
        new = recipe(layer)
        assert new["format"] == formats.current(Kind.PAINTED_LAYER)
        for told in ("settings", "box", "source", "source_tattoo", "source_size"):
            assert new[told] == old[told], told
        for told in ("name", "sha256", "region"):
            assert [style[told] for style in new["styles"]] == [style[told] for style in old["styles"]], told
    file = FOLDER / "painted today.xcf"
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(file)), None)
    assert [recipe(layer) for layer in _opened(file).get_layers()[:2]] == [
        recipe(layer) for layer in image.get_layers()[:2]
    ]


def test_what_1_0_0_kept_is_in_the_window_and_kept_by_it() -> None:
    GimpUi.init("tests")
    folder = FOLDER / "config-of-1.0.0"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "presets").mkdir(parents=True)
    shutil.copy(OF_1_0_0 / "437d3301 Rough oil.json", folder / "presets")
    shutil.copy(OF_1_0_0 / "styles.json", folder)
    config = Gimp.get_pdb().lookup_procedure(procedure.NAME).create_config()
    with mock.patch.object(paths, "config_folder", return_value=folder):
        assert len(recent_styles.load().styles) == 3
        recent_styles.use("file:///a.png")
        assert len(recent_styles.load().styles) == 4
        _, names, _ = PresetBar(Gtk.Window(), config).get_children()
        names.set_active_id("Rough oil, “?”")
        assert config.get_property("style-measure") == "mahalanobis"
        assert config.get_property("normalize-gradients")
        preset_files.rename("Rough oil, “?”", "oil")
        assert [file.name for file in (folder / "presets").iterdir()] == [preset_files.find("oil").name]


def test_the_windows_settings_of_1_0_0_are_those_of_the_next_repetition() -> None:
    image = _opened(OF_1_0_0 / "painted.xcf")
    source = image.get_layer_by_name("Cat")
    told = OF_1_0_0 / "GimpProcedureConfigRun-plug-in-neural-style.last"
    with _in_profile(told.name, told.read_text(encoding="utf-8").replace(_PLUG_IN_OF_1_0_0, str(REPOSITORY))):
        outcome = call(procedure.NAME, image, [source], run_mode=Gimp.RunMode.WITH_LAST_VALS)
    assert outcome.status == SUCCESS, outcome.sentence
    found = recipe(outcome.layers[0])
    wanted = Settings(
        quality="draft",
        strength=70.0,
        blend="70,30",
        style_layers="relu1_1:0.5,relu3_1",
        iterations=6,
        normalize_gradients=True,
        size=96,
        seed=3,
    )
    assert found["settings"] == wanted.to_json()
    assert [(style["name"], style["region"]) for style in found["styles"]] == [
        ("hokusai_great_wave.jpg", None),
        ("hokusai_poppies.jpg", "Right"),
    ]


@contextmanager
def _in_profile(name: str, text: str) -> Iterator[None]:
    """Let GIMP find this as the last settings of a plug-in."""
    file = Path(Gimp.directory()) / "plug-in-settings" / name
    before = file.read_bytes() if file.is_file() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        file.unlink()
        if before is not None:
            file.write_bytes(before)


def test_settings_that_are_not_known_are_told_and_kept() -> None:
    layer = _painted()
    told = recipe(layer)
    _tell(layer, told | {"version": "99.1.0", "settings": told["settings"] | _LATER})
    assert any("not known to this version" in text and text.endswith(": glaze, grain.") for text in _noted(layer))
    assert _said_while_starting(layer, Gimp.RunMode.WITH_LAST_VALS) == [formats.note(layer.get_name(), _LATER)]
    assert _said_while_starting(layer, Gimp.RunMode.NONINTERACTIVE) == []
    layer = _restyled(layer, strength=70.0)
    assert recipe(layer)["settings"] == told["settings"] | {"strength": 70.0} | _LATER
    assert recipe(layer)["version"] == __version__
    assert any(": glaze, grain." in log.read_text(encoding="utf-8") for log in paths.log_folder().glob("*.log"))
    _tell(layer, told)
    assert not any("not known to this version" in text for text in _noted(layer))


def _said_while_starting(layer: Gimp.Layer, run_mode: Gimp.RunMode) -> list[str]:
    """What GIMP is to tell a person before such a run paints."""
    own, image = Gimp.get_pdb().lookup_procedure(procedure.RESTYLE), layer.get_image()
    earlier, said = restyle.find(image, [layer]), list[str]()
    with (
        mock.patch.object(Gimp, "default_display", return_value=object()),
        mock.patch.object(Gimp, "message", said.append),
        procedure._asked(own, run_mode, image, [earlier.source], earlier, own.create_config())[0],
    ):
        return said


def _noted(layer: Gimp.Layer) -> set[str]:
    """What there is to be read in the window of *Restyle…*."""
    with mock.patch.dict(os.environ, tour.SILENT):
        return set().union(*(page.texts for page in walk.through(lambda: tour.restyle(layer.get_image(), layer))))


def test_what_this_version_cannot_restyle_is_one_sentence_that_says_why() -> None:
    layer = _painted()
    name, told = layer.get_name(), recipe(layer)
    _tell(layer, told | {"format": 99, "version": "99.1.0", "settings": []})
    assert _refused(layer) == f"“{name}” was painted by Neural Style 99.1.0; install that version to restyle it."
    _tell(layer, told | {"version": "99.1.0", "settings": told["settings"] | {"strength": 999, "glaze": 1}})
    sentence = _refused(layer)
    assert sentence.startswith(f"“{name}”, painted by version 99.1.0, cannot be restyled: strength is 999")
    assert "must lie between" in sentence
    for changes in ({"format": "2"}, {"format": 0}, {"settings": [1]}):
        _tell(layer, told | changes)
        assert "is damaged" in _refused(layer), changes


def test_a_preset_with_settings_that_are_not_known_is_taken_told_and_kept() -> None:
    GimpUi.init("tests")
    folder, told = FOLDER / "config-of-later", list[str]()
    shutil.rmtree(folder, ignore_errors=True)
    config = Gimp.get_pdb().lookup_procedure(procedure.NAME).create_config()
    with (
        mock.patch.object(paths, "config_folder", return_value=folder),
        mock.patch.object(questions, "tell", lambda window, sentence, *_kind: told.append(sentence)),
    ):
        preset_files.save(Preset("glazed", Settings(strength=80.0), _LATER))
        preset_files.save(Preset("newer", Settings()))
        newer = json.loads(preset_files.find("newer").read_text(encoding="utf-8"))
        preset_files.find("newer").write_text(json.dumps(newer | {"format": 99}), encoding="utf-8")
        bar = PresetBar(Gtk.Window(), config)
        _, names, _ = bar.get_children()
        names.set_active_id("newer")
        assert "was written by Neural Style" in told.pop()
        names.set_active_id("glazed")
        assert config.get_property("strength") == 80
        assert told.pop().endswith("are kept and do nothing: glaze, grain.")
        config.set_property("strength", 60.0)
        with mock.patch.object(questions, "ask_name", return_value="other"):
            bar._save()
        exported = FOLDER / "exported.json"
        with mock.patch.object(questions, "file_to_write", return_value=exported):
            bar._export()
        assert preset_files.read(exported) == preset_files.read(preset_files.find("other"))
        assert preset_files.read(exported) == Preset("other", Settings(strength=60.0), _LATER)
        with mock.patch.object(questions, "file_to_read", return_value=exported):
            preset_files.delete("other")
            bar._import()
        assert preset_files.read(preset_files.find("other")).unknown == _LATER
        assert ": glaze, grain." in told.pop() and not told
