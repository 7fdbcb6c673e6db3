"""Changes to images: GIMP is not taken at its silence, and several changes are one step of undo or none at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from gi.repository import Gimp


class NotDone(Exception):
    """GIMP refused what nobody expected it to refuse; it says which call and why."""


def must(call: Callable[..., Any], *arguments: object) -> Any:
    """What a call of GIMP's returns, which says with False or None that it was refused.

    Raises:
        NotDone: it was.
    """
    returned = call(*arguments)
    if not (returned[0] if isinstance(returned, tuple) else returned):
        name = getattr(call, "__name__", repr(call))
        raise NotDone(f"{name}: {Gimp.get_pdb().get_last_error()}")
    return returned


@contextmanager
def one_step(image: Gimp.Image) -> Iterator[ExitStack]:
    """Make what the block does to an image one step of undo.

    If the block fails, what it has put on the stack is done, the last first, so that the layers are as they were and
    the same ones are selected.
    """
    must(image.undo_group_start)
    try:
        with ExitStack() as back:
            back.callback(image.set_selected_layers, image.get_selected_layers())
            yield back
            back.pop_all()
    finally:
        image.undo_group_end()
    Gimp.displays_flush()


def insert(back: ExitStack, image: Gimp.Image, layer: Gimp.Layer, parent: Gimp.Layer | None, place: int) -> None:
    """Put a new layer into an image, and take it out again if the step fails."""
    with unless_it_fails(layer):
        must(image.insert_layer, layer, parent, place)
    back.callback(image.remove_layer, layer)


def insert_above(back: ExitStack, image: Gimp.Image, layer: Gimp.Layer, other: Gimp.Layer) -> None:
    """The same, directly above another one."""
    with unless_it_fails(layer):
        place = place_of(image, other)
    insert(back, image, layer, other.get_parent(), place)


def place_of(image: Gimp.Image, layer: Gimp.Layer) -> int:
    """Where a layer is among those beside it, 0 at the top.

    Raises:
        NotDone: it is not in the image any more.
    """
    must(layer.is_valid)  # of one that is gone GIMP says that it is at the top
    place: int = image.get_item_position(layer)
    return place


@contextmanager
def unless_it_fails(layer: Gimp.Layer) -> Iterator[Gimp.Layer]:
    """A new layer that is in no image yet; it goes again if the block fails."""
    try:
        yield layer
    except BaseException:
        layer.delete()
        raise
