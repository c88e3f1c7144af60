"""The server does not grow with the poses it has read: hours of driving leave it as it was."""

from __future__ import annotations

import asyncio
import gc
import sys

from server.operator_client import OperatorClient

WARM_UP, MEASURED, AT_ONCE = 1500, 4000, 50
"""Poses; the rate shown to the desk remembers a thousand of them, so more than that come first."""


def test_the_server_keeps_nothing_of_the_poses_it_has_read(served, hand_pose):
    async def send(client: OperatorClient, poses: int) -> None:
        for k in range(poses):
            await client.send_pose(hand_pose, True)
            if k % AT_ONCE == 0:
                await client.acknowledged()
                served.drain()
                served.rows.clear()
        await client.acknowledged()
        served.drain()
        served.rows.clear()

    async def operate() -> tuple[int, int]:
        async with OperatorClient(served.url, "a-test-token") as client:
            await client.arm()
            await send(client, WARM_UP)
            before = held_blocks()
            await send(client, MEASURED)
            return held_blocks() - before, client.ack.seq if client.ack else 0

    grown, read = asyncio.run(operate())
    assert read == WARM_UP + MEASURED
    assert grown < 0.1 * MEASURED, "one object kept for every tenth pose would be found"


def held_blocks() -> int:
    """Pieces of memory that Python objects of this process hold, the server's thread included."""
    gc.collect()
    return sys.getallocatedblocks()
