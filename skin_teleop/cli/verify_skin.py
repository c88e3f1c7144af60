"""`skin-teleop verify-skin`: a person presses where the picture says, the tool sees which taxels answer.

From the vendor's server, or raw CAN with an id map, it proposes flips, turns and swapped pads and writes a pad map. On
raw CAN without an id map yet, it finds the map itself, taxel by taxel.
"""

from __future__ import annotations

import argparse
import dataclasses
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from drivers.uskin.id_search import RawListener, id_rows, read_begun, share_out, taken_ids, write_rows
from drivers.uskin.source import open_source
from drivers.uskin.verification import Press, carried_twice, corners, judge
from skin_teleop.cli.press_guide import PressGuide
from skin_teleop.cli.skin_rehearsal import rehearsal
from skin_teleop.rig import SkinConfig, load_rig
from skin_teleop.skin_layout import Pad, skin_layout
from skin_teleop.skin_mounting import PadMounting, read_pad_map, write_pad_map
from skin_teleop.transforms import Array


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `verify-skin`."""
    parser.add_argument("--rig", required=True, help="rig file whose skin is verified; the rig itself is not started")
    parser.add_argument("--second", action="store_true", help="the second hand's skin, on a rig of two hands")
    parser.add_argument("--out", type=Path, help="where the pad map (pad_map.toml) or the id map (skin.id_map) goes")
    parser.add_argument("--pads", default="", help="only these, separated by commas; others in --out are kept")
    parser.add_argument("--timeout-s", type=float, default=30.0, help="wait for a press so long, then go on, s")
    parser.add_argument(
        "--rehearse", metavar="MAP", help="press a simulated skin that is mounted as this pad map (or id map) says"
    )


def run(options: argparse.Namespace) -> int:
    """Guide, print a verdict for each pad and write the map; exit code 1 while a pad asked for is not verified."""
    rig = load_rig(options.rig).seen_by("second_skin" if options.second else "skin")
    rig = rig.on_free_ports() if options.rehearse else rig
    config = dataclasses.replace(rig.skin, mounted={})
    layout = skin_layout(config.layout)
    pads = [layout.pad(name) for name in options.pads.split(",")] if options.pads else list(layout.pads)
    searching = config.source == "raw_can" and not Path(config.id_map).exists()
    stop = threading.Event()
    with rehearsal(config, layout, options.rehearse, searching=searching) as press:
        if searching:
            out = options.out or Path(config.id_map)
            return _search_ids(config, pads, out, PressGuide(layout, options.timeout_s, press), stop)
        out = options.out or Path("pad_map.toml")
        return _verify(config, pads, out, PressGuide(layout, options.timeout_s, press), stop)


def _verify(config: SkinConfig, pads: list[Pad], out: Path, guide: PressGuide, stop: threading.Event) -> int:
    layout = guide.layout
    mounted = read_pad_map(str(out), layout.name) if out.exists() else {}
    source = open_source(config, stop)

    def z_counts() -> Array | None:
        with source.lock:
            return source.hold.flux[:, 2].copy() if source.hold.has_data else None

    source.start()
    try:
        guide.watch(z_counts, len(layout.pad_index))
        found = {pad.name: _mounting(pad, guide) for pad in pads}
    finally:
        stop.set()
        source.join()
    mounted |= {name: mounting for name, mounting in found.items() if mounting}
    for name in carried_twice(mounted):
        print(f"{name}: its wires carry another pad too; press both again with --pads")
        del mounted[name]
    mounted = {pad.name: mounted[pad.name] for pad in layout.pads if pad.name in mounted}
    write_pad_map(out, layout.name, mounted, f"found by touch, skin-teleop verify-skin, {datetime.now(UTC):%Y-%m-%d}")
    print(f'{len(mounted)} of {len(layout.pads)} pads verified; in {out}; in the rig file: skin.pad_map = "{out}"')
    return int(any(pad.name not in mounted for pad in pads))


def _mounting(pad: Pad, guide: PressGuide) -> PadMounting | None:
    presses = []
    for taxel in corners(guide.layout, pad):
        answer = guide.ask(pad, taxel)
        if answer is None:
            print(f"{pad.name}: nothing answered, left as the table says and not verified")
            return None
        presses.append(Press(taxel, answer))
    verdict = judge(guide.layout, pad, presses)
    print(f"{pad.name}: {verdict.text}")
    return verdict.mounting


def _search_ids(config: SkinConfig, pads: list[Pad], out: Path, guide: PressGuide, stop: threading.Event) -> int:
    layout = guide.layout
    rows = read_begun(out, config.can_channels)
    listener = RawListener(config, stop)
    listener.start()
    try:
        guide.watch(lambda: listener.z_counts.copy(), len(listener.z_counts))
        for pad in [pad for pad in pads if all(row[2] != pad.name for row in rows)]:
            rows += _rows_of(pad, rows, config, guide)
            write_rows(out, rows)
    finally:
        stop.set()
        listener.join()
    done = {row[2] for row in rows}
    print(f"{len(rows)} of {len(layout.pad_index)} taxels found; in {out}")
    if len(done) == len(layout.pads):
        print("the map is whole: skin.id_map may name it")
    return int(any(pad.name not in done for pad in pads))


def _rows_of(pad: Pad, rows: list[list[str]], config: SkinConfig, guide: PressGuide) -> list[list[str]]:
    """Rows of one pad, all of them or none."""
    answers = []
    for taxel in range(pad.first, pad.first + pad.count):
        answer = guide.ask(pad, taxel)
        if answer is None:
            print(f"{pad.name}: nothing answered; run again to press this pad from its first taxel")
            return []
        answers.append(answer)
    found = share_out(np.array(answers), taken_ids(rows, config.can_channels))
    if -1 in found:
        print(f"{pad.name}: only {pad.count - found.count(-1)} ids answered; press the taxels one by one, and again")
        return []
    print(f"{pad.name}: {pad.count} ids found")
    return id_rows(found, pad, guide.layout, config.can_channels)
