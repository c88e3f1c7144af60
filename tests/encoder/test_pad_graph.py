from __future__ import annotations

import numpy as np
import torch

from encoder.objectives.pad_graph import grow_regions, taxel_distance_m
from skin_teleop.skin_layout import skin_layout


def test_distances_are_a_connected_metric():
    distance = taxel_distance_m()
    assert distance.shape == (368, 368)
    assert torch.isfinite(distance).all(), "every pad can be reached"
    assert (distance.diagonal() == 0).all()
    torch.testing.assert_close(distance, distance.T)
    assert (distance[:, 50, None] + distance[50] - distance >= -1e-5).all(), "no detour is shorter"


def test_neighbours_on_a_pad_are_nearer_than_the_next_finger():
    distance, layout = taxel_distance_m(), skin_layout()
    index, middle = layout.pad("0aftc"), layout.pad("1aftc")
    on_tip = distance[index.first, index.taxels]
    assert on_tip.max() < 0.08
    assert distance[index.taxels, middle.taxels].min() > 0.01


def test_regions_are_connected_patches_around_their_seed():
    distance = taxel_distance_m()
    regions = grow_regions((4, 6), (0.15, 0.2), torch.Generator().manual_seed(0))
    assert regions.shape[:2] == (4, 6)
    assert 55 <= regions.shape[2] <= 74
    for region in regions.flatten(0, 1):
        assert len(set(region.tolist())) == len(region)
        seed = region[0]
        assert distance[seed, region].max() < distance[seed].quantile(0.5)
    scattered = torch.randperm(368, generator=torch.Generator().manual_seed(0))[: regions.shape[2]]
    within = [distance[np.ix_(region, region)].mean() for region in regions.flatten(0, 1)]
    assert max(within) < distance[np.ix_(scattered, scattered)].mean()


def test_same_generator_grows_the_same_regions_and_never_none():
    first, second, other = (
        grow_regions((2, 3), (0.0001, 0.0002), torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.shape == (2, 3, 1)
