"""What of recording and replaying can be seen without a graphics card."""

from __future__ import annotations

from functools import partial

import torch

from plugin.engine.machine.cuda_graphs import lane_of, side_by_side


def test_few_lanes_are_taken_and_the_same_work_of_several_styles_has_different_ones() -> None:
    layers, styles = 4, 4
    lanes = [[lane_of(style * layers + layer) for layer in range(layers)] for style in range(styles)]
    assert {lane for each in lanes for lane in each} == {0, 1, 2, 3}
    for of_a_layer in zip(*lanes, strict=True):
        assert len(set(of_a_layer)) == styles


def test_works_side_by_side_give_their_results_in_order() -> None:
    assert side_by_side([partial(int, str(number)) for number in range(9)], torch.device("cpu")) == [*range(9)]
