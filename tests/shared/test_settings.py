"""The table of settings, and what it refuses."""

import json
from pathlib import Path

import pytest

from plugin import __main__ as command_line
from plugin.shared import sweep_grid
from plugin.shared.settings import TABLE, Settings


def test_settings_survive_json() -> None:
    settings = Settings(quality="draft", strength=12.5, style_scale=250.0, size=640, seed=7)
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_every_setting_has_a_label_and_a_sentence() -> None:
    assert all(setting.label for setting in TABLE)
    assert all(setting.help.endswith(".") for setting in TABLE)


def test_every_default_is_allowed() -> None:
    for setting in TABLE:
        assert setting.check(setting.default) == setting.default


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"strength": 101}, "strength is 101.0; it must lie between 0.0 and 100.0."),
        ({"strength": "much"}, "strength is “much”; it must be a number."),
        ({"quality": "best"}, "quality is “best”; it must be one of draft, normal, high, gatys."),
        ({"style_scale": float("nan")}, "style-scale is nan; it must lie between 25.0 and 400.0."),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace(".", r"\.") + "$"):
        Settings.from_json(values)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no setting “strenght”"):
        Settings.from_json({"strenght": 1})


@pytest.mark.parametrize("command", ["stylize", "sweep", "bench"])
def test_the_command_line_explains_its_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main([command, "--help"])
    assert end.value.code == 0
    assert "--precision" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "gibibytes"),
    [
        ("4", 4),
        ("4G", 4),
        ("4GB", 4),
        ("4GiB", 4),
        ("4 gib", 4),
        ("1.5 GiB", 1.5),
        ("500M", 500 / 1024),
        ("512 MB", 0.5),
        (" 2048mib ", 2),
        ("1T", 1024),
        ("1048576K", 1),
        ("0", 0),
    ],
)
def test_a_size_may_be_typed_with_its_unit(typed: str, gibibytes: float) -> None:
    assert Settings.from_json({"memory": typed}).memory == pytest.approx(gibibytes)
    (one,) = sweep_grid.Grid.of(Settings(), sweep_grid.parse([f"memory={typed}"])).vary["memory"]
    assert one == pytest.approx(gibibytes)


@pytest.mark.parametrize("typed", ["4X", "4B", "G", "", "4 4G", "4GiBB"])
def test_a_size_that_is_none_is_refused_in_a_sentence_with_an_example(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.here(["stylize", "content.png", "style.png", "-o", "out.png", "--memory", typed])
    assert end.value.code == 2
    sentence = f"memory is “{typed}”; it must be a number of GiB, or one with a unit: 4G, 500M."
    assert capsys.readouterr().err.rstrip().endswith(f"error: {sentence}")


def test_the_command_line_takes_a_size_with_its_unit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = str(tmp_path / "out.png")
    arguments = [str(tmp_path / "nowhere.png"), "style.png", "-o", output, "--memory", "500M"]
    assert command_line.here(["stylize", *arguments]) == 1
    assert "nowhere.png” cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"), [("style_layers", "relu1_1:1e6"), ("blend", "1000000,1"), ("content_layers", "relu4_2:inf")]
)
def test_a_weight_that_is_too_large_is_told_the_whole_range(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"must be a number above 0 and below 1000000\.$"):
        Settings.from_json({name: value})
