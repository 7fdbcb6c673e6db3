"""What made a layer is written on it, and makes it again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gi.repository import Gimp, Gio

from plugin import __version__
from plugin.shared.settings import TABLE, Settings
from tests.gimp.inside.stage import FOLDER, PHOTOGRAPH, STYLE, native, new_image, new_layer, recipe, styled

_GIVEN = {
    "quality": "draft",
    "strength": 70.0,
    "style_scale": 150.0,
    "preserve_colors": "luminance",
    "blend": "3, 1",
    "style_measure": "mahalanobis",
    "content_measure": "ssim",
    "content_weight": 2.0,
    "style_weight": 3.0,
    "tv_weight": 0.5,
    "content_layers": "relu3_1:0.5, relu4_2",
    "style_layers": "relu1_1, relu2_1",
    "pooling": "average",
    "start": "recolored",
    "optimizer": "adam",
    "iterations": 12,
    "stop_below": 0.01,
    "learning_rate": 2.0,
    "beta1": 0.7,
    "beta2": 0.95,
    "gradient_clipping": 5.0,
    "normalize_gradients": True,
    "tileable": True,
    "size": 36,
    "seed": 5,
    "device": "cpu",
    "precision": "float32",
    "memory": 4.0,
}
"""Every setting, and none at its default."""


def test_every_setting_is_an_argument_with_its_own_default_and_range() -> None:
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-neural-style")
    for setting in TABLE:
        argument = procedure.find_argument(setting.dashed)
        # Python sees GIMP's empty text as None.
        assert (argument.get_default_value() or setting.kind()) == setting.default, setting.name
        assert argument.blurb == setting.help
        assert _GIVEN[setting.name] != setting.default
        if setting.minimum is not None:
            assert (argument.minimum, argument.maximum) == (setting.minimum, setting.maximum)


def test_the_parasite_tells_everything_is_saved_and_makes_the_same_pixels_again() -> None:
    image = new_image()
    source = new_layer(image, "source")
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 4, 50, 40)
    (layer,) = styled(image, [source], more_styles=[PHOTOGRAPH], **_GIVEN)
    told = recipe(layer)

    assert told["version"] == __version__
    assert told["source"] == "source"
    assert told["source_size"] == [64, 48]
    assert told["stopped"] is None
    assert told["styles"] == [
        {
            "name": path.name,
            "uri": path.as_uri(),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "region": None,
        }
        for path in (STYLE, PHOTOGRAPH)
    ]
    assert told["settings"] == _GIVEN
    assert set(told["settings"]) == {setting.name for setting in TABLE}
    assert told["seed"] == 5
    assert told["device"]
    assert told["seconds"] > 0
    assert set(told["losses"]) == {"total", "content", "style", "tv"}
    assert all(told["losses"][name] > 0 for name in ("total", "content", "style"))
    assert told["lambda"] > 0
    for when in ("before", "after"):
        assert told["likeness"][when]["content"]
        assert told["likeness"][when]["style"]
    assert told["likeness"]["before"] != told["likeness"]["after"]
    for scale in told["scales"]:
        assert {"style relu1_1", "style relu2_1"} <= set(scale["layers"])

    assert layer.get_parasite("neural-style").is_persistent()
    assert layer.get_parasite("neural-style").is_undoable()
    file = Gio.File.new_for_path(str(FOLDER / "saved.xcf"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    opened = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    assert recipe(opened.get_layers()[0]) == told

    image = new_image()
    source = new_layer(image, told["source"])
    x, y, width, height = told["box"]
    image.select_rectangle(Gimp.ChannelOps.REPLACE, x, y, width, height)
    (again,) = styled(image, [source], more_styles=[PHOTOGRAPH], **Settings.from_json(told["settings"]).to_json())
    assert native(again) == native(layer)


def test_a_style_that_only_gimp_reads() -> None:
    """An image of GIMP's own, with layers, gives the same painting as the picture it shows."""
    shown = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(STYLE)))
    shown.scale(128, 88)
    _save(shown, FOLDER / "style.png")
    cover = new_layer(shown, "cover", width=128, height=88)
    cover.set_visible(False)
    _save(shown, FOLDER / "style.xcf")
    _save(shown, FOLDER / "style.xcf.gz")
    layers = []
    for name in ("style.png", "style.xcf", "style.xcf.gz"):
        image = new_image()
        layers += styled(image, [new_layer(image, "source")], style=FOLDER / name)
    picture, layered, compressed = layers
    assert layered.get_name() == "source — style.xcf"
    assert native(layered) == native(compressed) == native(picture)


def _save(image: Gimp.Image, path: Path) -> None:
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(path)), None)
