"""The table of settings, and what it refuses."""

import json

import pytest

from plugin import __main__ as command_line
from plugin.settings import TABLE, Settings


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
