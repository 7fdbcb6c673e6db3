"""Tests that run inside GIMP: each module in one GIMP, each ``test_`` function on its own images.

:mod:`tests.gimp.test_inside` runs them from outside; here there is no pytest, only plain assertions.
"""
