"""`bench simulate` measures what it says: physics alone and with the skin, in one run."""

from __future__ import annotations

from skin_teleop.cli.bench_simulate import measure


def test_both_turns_simulate_the_same_time_and_the_skin_costs_something() -> None:
    physics_x, full_x, simulated_s = measure(0.5)
    assert simulated_s > 0
    assert physics_x > full_x > 0
