"""Runs the tests of one module inside GIMP and writes what became of each: a traceback, or nothing."""

from __future__ import annotations

import importlib
import json
import time
import traceback
from pathlib import Path

from gi.repository import Gegl, Gimp

import plugin.gimp  # noqa: F401  it asks for the versions of GTK and the others


def run(module: str, report: str) -> None:
    """``report`` is a file of JSON: for each test its ``seconds`` and the ``failure``, or null."""
    Gegl.init(None)
    results = {}
    for name, test in list(vars(importlib.import_module(f"tests.gimp.inside.{module}")).items()):
        if not name.startswith("test_"):
            continue
        before, start, failure = set(Gimp.get_images()), time.perf_counter(), None
        try:
            test()
        except Exception:
            failure = traceback.format_exc()
        for image in set(Gimp.get_images()) - before:
            image.delete()
        results[name] = {"seconds": round(time.perf_counter() - start, 2), "failure": failure}
        Path(report).write_text(json.dumps(results), encoding="utf-8")
