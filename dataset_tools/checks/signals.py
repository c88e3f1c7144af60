"""Do the numbers make sense? Saturated, dead and stale taxels, values that are no number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dataset_tools.checks.finding import Finding, counted
from dataset_tools.stream import Stream
from skin_teleop.messages import FLAG_CHECKSUM, FLAG_STALE, Array

LOWEST_COUNTS, HIGHEST_COUNTS = 20_000, 60_000
"""Outside this range the Sparsh-skin release calls a sensor bad (its preprocessing sets such values to zero)."""
MIN_ROWS_TO_JUDGE = 100
STALE_MS = 1000
"""A taxel whose value arrived so long ago is stale (the rig's `skin.stale_after_ms` by default)."""
MAX_STALE_SHARE = 0.05
BLOCK_ROWS = 3000
FINITE_FIELDS = {
    "JointState": ("position",),
    "JointTarget": ("target",),
    "HandPose": ("pose",),
    "WristTarget": ("pose",),
    "Truth": ("taxel_force", "pad_wrench", "palm_pose"),
}
"""Fields in which a value that is no number is a fault; elsewhere NaN says that something is absent."""


def check_signals(stream: Stream) -> Iterator[Finding]:
    """Everything that the values of one stream tell."""
    message = str(stream.attributes["message"])
    for field in FINITE_FIELDS.get(message, ()):
        yield from _check_finite(stream, field)
    if message == "SkinFrame":
        yield from _check_skin(stream)
    flags = stream["flags"]
    for bit, fault, word in ((FLAG_CHECKSUM, "checksum", "with a bad checksum"), (FLAG_STALE, "stale", "stale")):
        share = float(((flags & bit) != 0).mean()) if len(flags) else 0.0
        if share > MAX_STALE_SHARE or (bit == FLAG_CHECKSUM and share > 0):
            yield Finding("warning", fault, stream.name, f"{share:.1%} of the rows are flagged {word}")


def blocks(stream: Stream, field: str) -> Iterator[Array]:
    """A column in pieces of bounded size, (n, ...)."""
    for start in range(0, stream.rows, BLOCK_ROWS):
        yield stream.read(field, start, start + BLOCK_ROWS)


def _check_finite(stream: Stream, field: str) -> Iterator[Finding]:
    bad = sum(int((~np.isfinite(block)).reshape(len(block), -1).any(axis=1).sum()) for block in blocks(stream, field))
    if bad:
        yield Finding("error", "not a number", f"{stream.name}/{field}", f"{counted(bad, 'row')} with NaN or infinity")


def _check_skin(stream: Stream) -> Iterator[Finding]:
    if stream.rows < MIN_ROWS_TO_JUDGE:
        return
    lowest, highest = np.full((368, 3), 65535, np.uint16), np.zeros((368, 3), np.uint16)
    for block in blocks(stream, "flux"):
        lowest, highest = np.minimum(lowest, block.min(axis=0)), np.maximum(highest, block.max(axis=0))
    where = f"{stream.name}/flux"
    yield from _name_taxels(where, "dead", "never change", (lowest == highest).all(axis=1))
    outside = np.any((lowest < LOWEST_COUNTS) | (highest > HIGHEST_COUNTS), axis=1)
    yield from _name_taxels(
        where, "saturated", f"leave {LOWEST_COUNTS} to {HIGHEST_COUNTS} counts", np.asarray(outside)
    )
    stale = sum((block > STALE_MS).sum(axis=0) for block in blocks(stream, "age_ms")) / stream.rows  # (368,)
    does = f"are older than {STALE_MS} ms in more than {MAX_STALE_SHARE:.0%} of the rows"
    yield from _name_taxels(f"{stream.name}/age_ms", "stale", does, np.asarray(stale) > MAX_STALE_SHARE)


def _name_taxels(where: str, fault: str, does: str, taxels: Array) -> Iterator[Finding]:
    found = np.flatnonzero(taxels)
    if len(found):
        named = ", ".join(map(str, found[:8])) + (", ..." if len(found) > 8 else "")
        yield Finding("warning", fault, where, f"{counted(len(found), 'taxel')} {does}: {named}")
