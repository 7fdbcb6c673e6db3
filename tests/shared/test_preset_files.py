"""A person's own presets: kept under any name, read whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugin import __version__
from plugin.shared import formats, paths, preset_files
from plugin.shared.formats import Kind
from plugin.shared.preset_files import Preset, PresetError
from plugin.shared.settings import Settings
from tests.fixtures import OF_1_0_0

_STRONG = Settings(strength=80.0, preserve_colors="luminance", size=512)

_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    "conin$",
    "conout$",
    *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
}
"""What Windows takes for a device, whatever comes after a dot."""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "config_folder", lambda: tmp_path / "config")


def _written(folder: Path, told: Any) -> Path:
    file = folder / "given.json"
    file.write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
    return file


def test_a_preset_comes_back_and_its_file_has_the_version_and_only_what_was_changed() -> None:
    preset_files.save(Preset("Rough oil", _STRONG))
    file = preset_files.find("Rough oil")
    assert preset_files.read(file) == Preset("Rough oil", _STRONG)
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "format": formats.current(Kind.PRESET),
        "preset": "Rough oil",
        "version": __version__,
        "settings": {"strength": 80.0, "preserve_colors": "luminance", "size": 512},
    }


@pytest.mark.parametrize("name", ["../up", "a/b\\c:d*?", "CON", "水墨", "💡 “x” <b>&amp;", ".", "é" * 100, "%s {name}"])
def test_any_name_will_do(name: str) -> None:
    preset_files.save(Preset(name, _STRONG))
    preset_files.save(Preset("other", Settings()))
    assert sorted(preset_files.kept()) == sorted([name, "other"])
    assert {file.parent for file in preset_files.kept().values()} == {paths.presets_folder()}
    preset_files.rename("other", f"{name}2"[-100:])
    assert preset_files.read(preset_files.find(name)).settings == _STRONG


def test_names_that_differ_in_capitals_or_signs_alone_are_two_presets() -> None:
    preset_files.save(Preset("oil?", _STRONG))
    preset_files.save(Preset("oil!", Settings()))
    preset_files.save(Preset("OIL!", Settings(seed=1)))
    assert set(preset_files.kept()) == {"oil!", "OIL!", "oil?"}
    assert preset_files.read(preset_files.find("oil?")).settings == _STRONG


def test_saving_renaming_and_deleting() -> None:
    preset_files.save(Preset("one", _STRONG))
    preset_files.save(Preset("one", Settings()))
    assert preset_files.read(preset_files.find("one")).settings == Settings()
    preset_files.rename("one", "two")
    preset_files.rename("two", "two")
    assert list(preset_files.kept()) == ["two"]
    preset_files.delete("two")
    assert preset_files.kept() == {}
    with pytest.raises(PresetError, match="“two” is not there any more"):
        preset_files.delete("two")


def test_a_file_from_elsewhere_is_known_by_the_name_within_and_else_by_its_own(tmp_path: Path) -> None:
    assert preset_files.read(_written(tmp_path, {"preset": " a\nb ", "settings": {}})).name == "a b"
    assert preset_files.read(_written(tmp_path, {"preset": "\ud800", "settings": {}})).name == "given"
    assert preset_files.read(_written(tmp_path, {"preset": 7, "settings": {"seed": 3}})) == Preset(
        "given", Settings(seed=3)
    )


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("{", "“given.json” is no preset"),
        ("[1]", "“given.json” is no preset"),
        ("[" * 100_000, "“given.json” is no preset"),
        ({"settings": [1]}, "“given.json” is no preset"),
        ({"format": 99, "version": "9.0"}, "“given.json” was written by Neural Style 9.0; install that version"),
        ({"format": "99", "settings": {}}, "“given.json” is no preset"),
        ({"version": "9.0", "settings": {"seed": -1, "sparkle": 1}}, "written by version 9.0, .* seed is -1"),
        ({"settings": {"strength": 70, "size": 20000}}, "size is 20000; it must lie between 0 and 16384"),
        ({"settings": {"quality": ["draft"]}}, "quality is .*; it must be one of draft"),
        ({"settings": {"iterations": None}}, "iterations is None; it must be a number"),
        ('{"settings": {"iterations": Infinity}}', "iterations is inf; it must be a number"),
        ({"settings": {"style_layers": 5}}, "style-layers is 5"),
        ({"settings": {"blend": "60,40"}}, "blend belongs to the styles"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path: Path, told: Any, sentence: str) -> None:
    with pytest.raises(PresetError, match=sentence) as refused:
        preset_files.read(_written(tmp_path, told))
    assert "\n" not in str(refused.value)


def test_settings_that_are_not_known_are_kept_through_saving_and_renaming(tmp_path: Path) -> None:
    given = _written(tmp_path, {"preset": "glazed", "settings": {"strength": 80, "glaze": {"depth": [1, "\ud800"]}}})
    preset = preset_files.read(given)
    assert preset == Preset("glazed", Settings(strength=80.0), {"glaze": {"depth": [1, "\ud800"]}})
    preset_files.save(preset)
    preset_files.rename("glazed", "renamed")
    kept = preset_files.find("renamed")
    assert preset_files.read(kept).unknown == preset.unknown
    assert json.loads(kept.read_text(encoding="utf-8"))["settings"] == {"strength": 80.0, **preset.unknown}


def test_a_preset_of_a_later_version_is_listed_by_its_name_and_stays_as_it_is() -> None:
    preset_files.save(Preset("whole", _STRONG))
    file = preset_files.find("whole")
    later = {"format": 99, "version": "9.0", "preset": "whole", "values": {}}
    file.write_text(json.dumps(later), encoding="utf-8")
    assert list(preset_files.kept()) == ["whole"]
    with pytest.raises(PresetError, match=r"written by Neural Style 9\.0"):
        preset_files.rename("whole", "other")
    assert json.loads(file.read_text(encoding="utf-8")) == later


@pytest.mark.parametrize("file", ["437d3301 Rough oil.json", "Rough oil.json"])
def test_what_1_0_0_saved_and_exported_is_read_and_saved_again(file: str) -> None:
    preset = preset_files.read(OF_1_0_0 / file)
    assert preset.name == "Rough oil, “?”"
    assert preset.unknown == {}
    assert preset.settings == Settings(
        quality="draft",
        strength=80.0,
        style_scale=150.0,
        preserve_colors="luminance",
        style_measure="mahalanobis",
        content_weight=0.5,
        style_layers="relu1_1:0.5,relu3_1",
        optimizer="lbfgs",
        iterations=120,
        normalize_gradients=True,
        size=512,
        seed=7,
    )
    preset_files.save(preset)
    assert preset_files.read(preset_files.find(preset.name)) == preset


@pytest.mark.parametrize("name", ["con", "NUL", "Aux.", "prn ", "com1", "LPT¹", "conin$", "COM0"])
def test_a_name_that_windows_keeps_for_a_device_becomes_another(name: str) -> None:
    stem = preset_files.file_name(name).removesuffix(".json")
    assert stem.casefold() not in _DEVICES
    assert stem.casefold().startswith(name.casefold().rstrip(". $"))


@pytest.mark.parametrize(
    "name", ["con", "a. . ", " .a", "../..", "...", "a\tb:c", "x" * 500, "💡", "水墨", "a" * 39 + " b"]
)
def test_a_files_name_is_allowed_on_every_system(name: str) -> None:
    stem = preset_files.file_name(name).removesuffix(".json")
    assert stem == stem.strip(" .") and stem
    assert not set(stem) & set('<>:"/\\|?*.') and stem.isprintable()
    assert len(f"12345678 {stem}.json".encode()) < 255


def test_a_broken_file_in_the_folder_is_listed_so_that_it_can_be_deleted() -> None:
    preset_files.save(Preset("whole", _STRONG))
    (paths.presets_folder() / "broken.json").write_bytes(b"\xff\x00")
    assert list(preset_files.kept()) == ["broken", "whole"]
    with pytest.raises(PresetError, match="no preset"):
        preset_files.read(preset_files.find("broken"))
    preset_files.delete("broken")
    assert list(preset_files.kept()) == ["whole"]


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(PresetError, match="cannot be saved in"):
        preset_files.save(Preset("one", _STRONG))
    assert preset_files.kept() == {}
