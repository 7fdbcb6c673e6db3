"""What people keep is read by every later version, and what a later version wrote by none before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugin.shared import formats, preset_files
from plugin.shared.formats import Kind
from plugin.shared.preset_files import Preset
from plugin.shared.settings import Settings
from tests.fixtures import OF_1_0_0


def _with_values(told: dict[str, Any]) -> dict[str, Any]:
    """A made-up format 2, which calls the settings values."""
    return {"values": told.pop("settings"), **told}


def _with_strength_in_thousandths(told: dict[str, Any]) -> dict[str, Any]:
    """A made-up format 3, which calls them settings again."""
    values = told["values"]
    return {"preset": told["preset"], "settings": values | {"strength": values["strength"] / 10}}


def test_an_older_file_is_migrated_step_by_step_and_written_as_todays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = preset_files.read(OF_1_0_0 / "Rough oil.json")
    monkeypatch.setitem(formats.STEPS, Kind.PRESET, (_with_values, _with_strength_in_thousandths))
    migrated = preset_files.read(OF_1_0_0 / "Rough oil.json")
    assert (old.settings.strength, migrated.settings.strength) == (80, 8)
    assert (migrated.name, migrated.settings.seed) == (old.name, old.settings.seed)

    second = tmp_path / "second.json"
    second.write_text(json.dumps({"format": 2, "preset": "two", "values": {"strength": 70}}), encoding="utf-8")
    assert preset_files.read(second) == Preset("two", Settings(strength=7.0))

    preset_files.write(migrated, second)
    assert json.loads(second.read_text(encoding="utf-8"))["format"] == 3
    assert preset_files.read(second) == migrated


@pytest.mark.parametrize("kind", Kind)
def test_what_has_no_number_is_of_1_0_0_and_todays_is_left_as_it_is(kind: Kind) -> None:
    assert formats.migrate(kind, {"a": 1}) == formats.numbered(kind, {"a": 1})
    today = formats.numbered(kind, {"a": 1})
    assert formats.migrate(kind, today) == today


@pytest.mark.parametrize("kind", Kind)
def test_a_newer_one_is_told_from_a_damaged_one(kind: Kind) -> None:
    newer = {"format": formats.current(kind) + 1, "version": " 9.1\n"}
    with pytest.raises(formats.Newer) as refused:
        formats.migrate(kind, newer)
    assert refused.value.told == newer
    assert formats.version_in(newer) == "9.1"
    told: Any
    for told in (None, [1], "text", *({"format": wrong} for wrong in (None, True, 0, -1, 1.5, "2", [2]))):
        with pytest.raises(ValueError, match=r"^th") as damaged:
            formats.migrate(kind, told)
        assert not isinstance(damaged.value, formats.Newer), told


@pytest.mark.parametrize("told", [{}, {"settings": None, "preset": 5}, {"settings": [1]}])
def test_what_a_step_stumbles_over_is_damaged(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]) -> None:
    monkeypatch.setitem(formats.STEPS, Kind.PRESET, (_with_values, _with_strength_in_thousandths))
    with pytest.raises(ValueError, match=r"^th"):
        formats.migrate(Kind.PRESET, told)


def test_settings_that_are_not_known_are_told_apart_and_what_is_out_of_range_is_one_sentence() -> None:
    settings, unknown = formats.settings_in({"strength": 70, "glaze": [1], "grain": None})
    assert (settings, unknown) == (Settings(strength=70.0), {"glaze": [1], "grain": None})
    with pytest.raises(formats.WrongSetting, match=r"strength is 700.*; it must lie between"):
        formats.settings_in({"strength": 700, "glaze": 1})
    with pytest.raises(ValueError, match=r"^th") as damaged:
        formats.settings_in([["strength", 70]])
    assert not isinstance(damaged.value, formats.WrongSetting)


def test_what_is_not_known_is_listed_in_one_line_however_it_is_called() -> None:
    note = formats.note("a", {"grain": 1, "glaze": 2})
    assert "“a”" in note and "not known to this version" in note and note.endswith(": glaze, grain.")
    long = formats.note("a", {"x\n y": 1, "\ud800": 2, **{f"name {n}": n for n in range(1000)}})
    assert "\n" not in long and len(long) < 400
    long.encode("utf-8")
