"""A grid of settings: its cells, and what it refuses."""

from __future__ import annotations

import pytest

from plugin.shared import sweep_grid
from plugin.shared.settings import Settings
from plugin.shared.sweep_grid import Grid


def test_every_combination_is_a_cell_and_the_last_axis_runs_fastest() -> None:
    cells = Grid.of(Settings(seed=3), sweep_grid.parse(["strength=20,80", "style-scale=50,100,200"]))
    places = cells.places()
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert cells.changed((1, 2)) == {"strength": 80.0, "style_scale": 200.0}
    assert cells.settings((1, 2)) == Settings(seed=3, strength=80, style_scale=200)
    assert len({cells.settings(place) for place in places}) == 6


def test_from_a_center_outwards() -> None:
    cells = Grid.of(Settings(), {"strength": [20, 50, 80], "style_scale": [50, 100, 200]})
    places = cells.places((1, 2))
    assert places[0] == (1, 2)
    assert set(places[1:4]) == {(0, 2), (2, 2), (1, 1)}
    assert places[-2:] == [(0, 0), (2, 0)]
    assert sorted(places) == cells.places()


@pytest.mark.parametrize(
    ("name", "present", "values"),
    [
        ("strength", 50.0, [10, 30, 50, 70, 90]),
        ("strength", 95.0, [15, 35, 55, 75, 95]),
        ("strength", 0.0, [0, 20, 40, 60, 80]),
        ("style_scale", 100.0, [50, 71, 100, 140, 200]),
        ("style_scale", 400.0, [100, 140, 200, 280, 400]),
        ("tv_weight", 1.0, [0.25, 0.5, 1, 2, 4]),
        ("tv_weight", 0.0, [0, 0.062, 0.12, 0.25, 0.5]),
        ("seed", 7, [5, 6, 7, 8, 9]),
        ("tileable", True, [False, True]),
        ("preserve_colors", "luminance", ["off", "luminance", "histogram"]),
        ("style_measure", "euclidean", ["euclidean", "mahalanobis", "wasserstein"]),
        ("style_measure", "auto", ["auto", "euclidean", "mahalanobis", "wasserstein"]),
    ],
)
def test_the_values_to_try_lie_around_the_present_one(name: str, present: object, values: list[object]) -> None:
    found = sweep_grid.around(name, present)
    assert found == values
    assert present in found
    assert Grid.of(Settings(), {name: found}).vary[name] == tuple(values)


@pytest.mark.parametrize("name", ["blend", "style_layers", "strenght"])
def test_a_text_is_nothing_to_try_values_of(name: str) -> None:
    with pytest.raises(ValueError, match="nothing to try"):
        sweep_grid.around(name, "")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("strength=20, 50,80", (20.0, 50.0, 80.0)),
        ("iterations=3,30", (3, 30)),
        ("preserve-colors=off,histogram", ("off", "histogram")),
        ("preserve_colors=off;histogram", ("off", "histogram")),
        ("tileable=on,off", (True, False)),
        ("normalize-gradients=no,true", (False, True)),
        ("style-layers=relu1_1,relu2_1;relu3_1:0.5,relu4_1", ("relu1_1,relu2_1", "relu3_1:0.5,relu4_1")),
        ("content-layers=relu3_1,relu4_2", ("relu3_1", "relu4_2")),
        ("blend=;60,40", ("", "60,40")),
        ("seed=1,2,1", (1, 2)),
    ],
)
def test_any_kind_of_setting_can_be_varied(text: str, values: tuple[object, ...]) -> None:
    (checked,) = Grid.of(Settings(), sweep_grid.parse([text])).vary.values()
    assert checked == values
    assert [type(value) for value in checked] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["strenght=20"], "There is no setting “strenght”; the settings are quality, "),
        (["strength=20,300"], "strength is 300.0; it must lie between 0.0 and 100.0."),
        (["quality=best"], "quality is “best”; it must be one of draft, "),
        (["tileable=perhaps"], "tileable is “perhaps”; it must be true or false."),
        (["style-layers=relu9_9"], "style-layers is “relu9_9”; the layers are "),
        (["strength="], "strength is “”; it must be a number."),
        (["strength"], "--vary is “strength”; write the setting and its values like strength=20,50,80."),
        (["style-scale=50", "style_scale=100"], "style_scale is varied twice; give all its values at once."),
        (["seed=" + ",".join(map(str, range(21))), "size=" + ",".join(map(str, range(20)))], "These are 420 cells"),
        ([], "Nothing is varied; name at least one setting with its values."),
    ],
)
def test_what_makes_no_grid_is_refused_in_one_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace(".", r"\.")) as caught:
        Grid.of(Settings(), sweep_grid.parse(texts))
    assert "\n" not in str(caught.value)


def test_an_axis_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^style-scale has no values; give at least one\.$"):
        Grid.of(Settings(), {"style_scale": []})


@pytest.mark.parametrize(
    ("value", "text"), [(20.0, "20"), (0.25, "0.25"), (True, "on"), (False, "off"), ("", "default"), ("cpu", "cpu")]
)
def test_values_are_written_as_a_person_reads_them(value: object, text: str) -> None:
    assert sweep_grid.written(value) == text
