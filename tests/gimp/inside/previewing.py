"""The preview follows what a person does in the image while the window is open."""

from __future__ import annotations

from unittest import mock

from gi.repository import Gimp, Gio, Gtk

from plugin.gimp import procedure
from plugin.gimp.preview import Preview
from plugin.gimp.studio import Studio
from tests.gimp.inside.stage import STYLE, fill, new_image, new_layer, photograph
from tests.gimp.inside.studio import wait


def test_who_comes_back_from_the_image_sees_a_proof_of_what_it_is_now() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    # GIMP's own procedure lacks the arguments for the window alone.
    own = procedure.NeuralStyle.do_create_procedure(Gimp.get_plug_in(), f"{procedure.NAME}-previewing")
    config = own.create_config()
    config.set_property("style", Gio.File.new_for_path(str(STYLE)))
    config.set_property("quality", "draft")
    window = Gtk.Window()
    with Studio() as studio, mock.patch.object(studio, "ask", wraps=studio.ask) as ask:
        preview = Preview(image, [layer], None, config, studio)

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
