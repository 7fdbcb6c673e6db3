"""Reads a window as a screen reader does, over the accessibility bus, and prints lines of JSON.

The argument is the window's title. A line has role, name with the label's before it, and description of a thing that is
seen and can be used.
"""

import json
import sys
from collections.abc import Iterator

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi  # noqa: E402


def below(thing: Atspi.Accessible) -> Iterator[Atspi.Accessible]:
    """A thing and all that is seen in it."""
    if thing.get_state_set().contains(Atspi.StateType.SHOWING):
        yield thing
        for child in children(thing):
            yield from below(child)


def children(thing: Atspi.Accessible) -> list[Atspi.Accessible]:
    found = [thing.get_child_at_index(number) for number in range(thing.get_child_count())]
    return [child for child in found if child is not None]


def name(thing: Atspi.Accessible) -> str:
    """What is said of it: its label, and its own name where that is another one."""
    labels = [each for each in thing.get_relation_set() if each.get_relation_type() == Atspi.RelationType.LABELLED_BY]
    names = [each.get_target(number).get_name() for each in labels for number in range(each.get_n_targets())]
    return " ".join(dict.fromkeys(filter(None, [*names, thing.get_name()])))


windows = [window for program in children(Atspi.get_desktop(0)) for window in children(program)]
for window in windows:
    if window.get_name() == sys.argv[1]:
        for thing in below(window):
            states = thing.get_state_set()
            if thing.get_action_iface() or thing.get_value_iface() or states.contains(Atspi.StateType.FOCUSABLE):
                print(json.dumps([thing.get_role_name(), name(thing), thing.get_description()]))
