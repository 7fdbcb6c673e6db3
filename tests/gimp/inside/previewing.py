"""The preview follows what a person does in the image while the window is open."""

from __future__ import annotations

from unittest import mock

from gi.repository import Gegl, Gimp, Gio, GLib, Gtk

from plugin.gimp.jobs import preview_job
from plugin.gimp.jobs.session import Studio
from plugin.gimp.window import pixbufs
from plugin.gimp.window.preview_pane import Preview
from plugin.shared import log
from tests.gimp.inside.opening import opened, own_procedure
from tests.gimp.inside.stage import STYLE, fill, new_image, new_layer, photograph
from tests.gimp.inside.studio import wait


def _config() -> Gimp.ProcedureConfig:
    config = own_procedure().create_config()
    config.set_property("style", Gio.File.new_for_path(str(STYLE)))
    config.set_property("quality", "draft")
    return config


def test_who_comes_back_from_the_image_sees_a_proof_of_what_it_is_now() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    window = Gtk.Window()
    with Studio() as studio, mock.patch.object(studio, "ask", wraps=studio.ask) as ask:
        preview = Preview(image, [layer], None, _config(), studio)

        def come_back() -> None:
            preview._visited(window, None)
            wait(lambda: not preview._watch.is_busy and not preview._work.is_busy)

        window.add(preview)
        window.show()
        wait(lambda: ask.call_count == 1)
        come_back()
        assert ask.call_count == 1, "nothing was changed"

        fill(layer, lambda x, y: photograph(y, x))
        come_back()
        wait(lambda: ask.call_count == 2)
        first, second = (call.args[0].content for call in ask.call_args_list)
        assert first.pixels != second.pixels

        image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 40, 36)
        come_back()
        wait(lambda: ask.call_count == 3)
        third = ask.call_args.args[0].content
        assert third.width / third.height == 40 / 36

        image.remove_layer(layer)
        come_back()
        wait(preview._failure.get_visible)
        assert "was deleted" in preview._failure._label.get_text()
        preview.close()
    window.destroy()


def test_what_nobody_expected_in_the_window_is_one_sentence_on_the_preview_and_in_the_log() -> None:
    log.to_file()
    image = new_image()
    layer = new_layer(image, "layer")

    def use(preview: Preview) -> None:
        def wait_for(surprise: str) -> None:
            sentence = (
                f"Neural Style failed unexpectedly (ZeroDivisionError: {surprise}); there is more in {log.file()}."
            )
            wait(lambda: preview._failure._label.get_text() == sentence, f"word of {surprise}")
            assert preview._failure.get_visible()
            assert not preview._waiting._label.get_text()
            assert f"ZeroDivisionError: {surprise}" in log.file().read_text(encoding="utf-8")
            assert preview._progress.get_fraction() == 0

        def try_again() -> None:
            preview._failure.response(Gtk.ResponseType.OK)
            wait(lambda: preview._painted_whole is not None, "a proof")
            assert not preview._failure.get_visible()

        with mock.patch.object(preview_job, "of_whole", side_effect=ZeroDivisionError("reading")):
            wait_for("reading")  # in an idle task
        try_again()
        with mock.patch.object(pixbufs, "masked", side_effect=ZeroDivisionError("showing")):
            preview._config.set_property("seed", 7)
            wait_for("showing")  # while events of the engine are told
        try_again()
        with mock.patch.object(Preview, "_split", side_effect=ZeroDivisionError("signal")):
            preview._config.set_property("preview-split", False)
            wait_for("signal")
        GLib.timeout_add(1, mock.Mock(side_effect=ZeroDivisionError("timeout")))
        wait_for("timeout")

    image.select_ellipse(Gimp.ChannelOps.REPLACE, 0, 0, 60, 40)  # so that there is a mask to show a proof through
    opened(_config(), image, [layer], use)


def test_with_a_region_that_the_image_lacks_the_picture_is_shown_and_painted_once_there_is_one() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    config = _config()
    config.set_property("regions", ["sea"])

    def use(preview: Preview) -> None:
        wait(preview._failure.get_visible, "the sentence")
        assert "no channel or layer “sea”" in preview._failure._label.get_text()
        wait(lambda: preview._view._before is not None, "the picture")
        preview._work.stop()
        image.insert_channel(Gimp.Channel.new(image, "sea", 80, 64, 50, Gegl.Color.new("red")), None, 0)
        preview._visited(preview.get_toplevel(), None)
        wait(lambda: preview._painted_whole is not None or "is empty" in preview._failure._label.get_text(), "a proof")
        config.set_property("regions", [""])
        wait(lambda: preview._painted_whole is not None, "a proof")
        assert not preview._failure.get_visible()

    opened(config, image, [layer], use)


def test_a_detail_is_as_large_as_suits_the_device_that_is_chosen() -> None:
    image = new_image(3000, 3000)
    layer = new_layer(image, "layer", width=8, height=8)
    layer.scale(3000, 3000, False)
    config = _config()
    config.set_property("preview", False)
    with Studio() as studio, mock.patch("plugin.gimp.window.split_view.SplitView.room", (1500, 1200)):
        preview = Preview(image, [layer], None, config, studio)
        preview._center = (1500, 1500)
        look = preview._look
        for _unused in look.wait():
            pass
        assert look.result is not None
        for devices, chosen, sides in (
            ({"cuda": "a card", "cpu": "a processor"}, "auto", (1024, 1024)),
            ({"cuda": "a card", "cpu": "a processor"}, "cpu", (400, 400)),
            ({"cpu": "a processor"}, "auto", (400, 400)),
            (None, "auto", (400, 400)),
        ):
            preview._devices = devices
            config.set_property("device", chosen)
            shown = preview._detail(look.result)
            assert (shown.width, shown.height) == sides, (devices, chosen)
        preview.close()
