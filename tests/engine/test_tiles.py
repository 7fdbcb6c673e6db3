"""Tiles and what they see."""

from __future__ import annotations

import itertools

import pytest
import torch

from plugin.engine.transfer import tiles


@pytest.mark.parametrize("deepest", ["relu4_2", "relu5_1"])
@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("area", [384 * 384, 2**18, 2**20])
def test_no_tile_sees_more_than_it_may(area: int, wraps: bool, deepest: str) -> None:
    heights, widths = [16, 240, 416, 592, 768, 1504, 2000], [384, 400, 512, 576, 1024, 1536, 6000]
    if not wraps:
        heights, widths = [*heights, 681], [*widths, 1023]
    for height, width in itertools.product(heights, widths):
        pieces = tiles.within(height, width, area, deepest, wraps)
        assert max(piece.area for piece in pieces) <= area
        assert len(pieces) == 1 or height * width > area
        owned = torch.zeros(height, width)
        for piece in pieces:
            owned[piece.rows.own_start : piece.rows.own_end, piece.columns.own_start : piece.columns.own_end] += 1
        assert torch.equal(owned, torch.ones(height, width))


def test_tiles_are_cut_so_that_they_see_as_little_as_they_can() -> None:
    area = tiles.area_for(512, "relu4_2")
    # Four of half the side each would see 1.25 times the picture instead of 1.19.
    strips = tiles.within(681, 1024, area, "relu4_2")
    assert [(tile.columns.own_start, tile.columns.own_end) for tile in strips] == [(0, 336), (336, 688), (688, 1024)]


def test_a_tile_that_owns_so_much_sees_so_much() -> None:
    for side, deepest in itertools.product((128, 256, 288), ("relu1_1", "relu4_2", "relu5_1")):
        assert tiles.side_within(tiles.area_for(side, deepest), deepest) == side
