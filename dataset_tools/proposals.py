"""Labels that nobody has to type: from the operator's marks, and from contact that the skin itself shows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dataset_tools.ambient import left_behind, split_ambient
from dataset_tools.events import marked_spans
from dataset_tools.labels import VOCABULARY, Label, LabelStore, LiveState
from dataset_tools.reader import Session
from dataset_tools.rest import skin_rest
from dataset_tools.second_opinion import agreement_facts
from dataset_tools.stream import Stream
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import SessionError
from skin_teleop.messages import Array
from skin_teleop.skin_layout import SkinLayout, skin_layout

ON_NOISE, OFF_NOISE = 8.0, 4.0
"""Hysteresis on pad energy: noise alone gives sqrt(3) = 1.7 (three axes of unit deviation)."""
RELEASED_SHARE = 0.05
"""A contact has ended when less than this share of the strongest energy within 2 s is left: the elastomer comes back
slowly, and what it still shows between two touches is no touch."""
RELEASE_NS = 2 * NS_PER_S
MERGE_NS = 600 * NS_PER_S // 1000
MIN_CONTACT_NS = 300 * NS_PER_S // 1000
BLOCK_ROWS = 3000


@dataclass(frozen=True, slots=True)
class Contact:
    """A span in which the skin is touched."""

    start_ns: int
    end_ns: int
    pads: tuple[str, ...]
    """Pads that were touched, strongest first."""
    peak: float
    """Highest pad energy in the span, in units of noise."""


def label_from_marks(store: LabelStore) -> list[Label]:
    """Turn the spans between begin and end marks into labels; spans that were labelled (or deleted) before are left.

    A mark whose word is not in the vocabulary becomes `other` with the word as its attribute `mark`.
    """
    session = store.session
    added = []
    for span in marked_spans(session.events(), session.end_ns):
        known = span.label in VOCABULARY
        attributes: dict[str, Any] = {} if known else {"mark": span.label}
        if not span.closed:
            attributes["open"] = "the session ended before the mark did"
        word = span.label if known else "other"
        added += _add_once(store, word, span.start_ns, span.end_ns, "live", attributes)
    return added


def label_contacts(store: LabelStore, *, ask_ruptures: bool = False) -> list[Label]:
    """Propose a label `contact` for every span in which the skin is touched; known spans are left.

    With `ask_ruptures` each proposal says how far a second method puts its edges away; raises MissingPartError when
    that is not installed.
    """
    added = []
    skin, layout = _skin(store.session)
    energy = pad_energy(skin, layout, store.session.rest_span_ns)
    for contact in contacts_in(energy, skin.t_mono, layout):
        attributes: dict[str, Any] = {"pads": list(contact.pads), "peak": round(contact.peak, 1)}
        if ask_ruptures:
            attributes |= agreement_facts(energy.max(axis=1), skin.t_mono, (contact.start_ns, contact.end_ns))
        added += _add_once(store, "contact", contact.start_ns, contact.end_ns, "proposal", attributes)
    return added


def find_contacts(session: Session) -> list[Contact]:
    """Spans of touch from the skin alone; raises SessionError when the session has no skin."""
    skin, layout = _skin(session)
    return contacts_in(pad_energy(skin, layout, session.rest_span_ns), skin.t_mono, layout)


def contacts_in(energy: Array, t_mono_ns: Array, layout: SkinLayout) -> list[Contact]:
    """Spans of touch from the energy of every pad (T, 18) at `t_mono_ns` (T,)."""
    total = energy.max(axis=1)  # (T,)
    released = RELEASED_SHARE * strongest_around(total, t_mono_ns)
    levels = np.maximum(ON_NOISE, 2 * released), np.maximum(OFF_NOISE, released)
    spans = merge_spans(hysteresis(total, *levels), t_mono_ns)
    return [_contact(energy, t_mono_ns, layout, first, last) for first, last in spans]


def strongest_around(signal: Array, t_mono_ns: Array) -> Array:
    """The largest value of a signal (T,) within 2 s before and after each row, (T,)."""
    step_ns = max(1, int(np.median(np.diff(t_mono_ns)))) if len(t_mono_ns) > 1 else RELEASE_NS
    reach = RELEASE_NS // step_ns
    padded = np.pad(signal, int(reach), mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * int(reach) + 1).max(axis=1))


def _skin(session: Session) -> tuple[Stream, SkinLayout]:
    rig = session.meta["rig"]["skin"]
    skin = session.streams.get(rig["name"])
    if skin is None:
        raise SessionError(f"contacts of {session.path} were asked for", found=f"no stream {rig['name']}")
    return skin, skin_layout(rig["layout"])


def pad_energy(skin: Stream, layout: SkinLayout, rest_span_ns: tuple[int, int] | None) -> Array:
    """How far each pad is from rest, (T, 18): root mean square over its taxels of their deviation in units of noise.

    The baseline is each channel's median at rest, its noise the standard deviation there (at least one count). The
    ambient field, which turns with the hand, is taken out first; what it may leave behind counts as noise.
    """
    baseline, noise = skin_rest(skin, rest_span_ns)
    blocks = []
    for start in range(0, skin.rows, BLOCK_ROWS):
        touch, field = split_ambient(skin.read("flux", start, start + BLOCK_ROWS) - baseline, layout)  # (B, 368, 3)
        deviation = touch / np.hypot(noise, left_behind(field, layout)[..., None])
        squares = np.square(deviation).sum(axis=-1)  # (B, 368)
        blocks.append(np.sqrt(np.stack([squares[:, pad.taxels].mean(axis=1) for pad in layout.pads], axis=1)))
    energy: Array = np.concatenate(blocks)
    return energy


def hysteresis(signal: Array, on: Array | float, off: Array | float) -> list[tuple[int, int]]:
    """Row spans [first, last] of a signal (T,) that begin at or above `on` and end before it falls below `off`.

    Both levels may be the same for all rows or one a row, (T,).
    """
    spans: list[tuple[int, int]] = []
    active = np.flatnonzero(signal >= off)
    for run in np.split(active, np.flatnonzero(np.diff(active) > 1) + 1):
        above = run[(signal >= on)[run]]
        if len(above):
            spans.append((int(above[0]), int(run[-1])))
    return spans


def merge_spans(spans: list[tuple[int, int]], t_mono_ns: Array) -> list[tuple[int, int]]:
    """Join spans that are less than 0.6 s apart, then drop those that last less than 0.3 s."""
    merged: list[tuple[int, int]] = []
    for first, last in spans:
        if merged and t_mono_ns[first] - t_mono_ns[merged[-1][1]] < MERGE_NS:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return [(first, last) for first, last in merged if t_mono_ns[last] - t_mono_ns[first] >= MIN_CONTACT_NS]


def _contact(energy: Array, t_mono_ns: Array, layout: SkinLayout, first: int, last: int) -> Contact:
    strongest = energy[first : last + 1].max(axis=0)  # (18,)
    touched = [int(k) for k in np.argsort(-strongest) if strongest[k] >= ON_NOISE]
    names = tuple(layout.pads[k].name for k in touched)
    return Contact(int(t_mono_ns[first]), int(t_mono_ns[last]), names, float(strongest.max()))


def _add_once(
    store: LabelStore,
    word: str,
    start_ns: int,
    end_ns: int,
    source: Literal["live", "proposal"],
    attributes: dict[str, Any],
) -> list[Label]:
    """Add a label whose id follows from its content, so that a second run adds nothing and revives nothing."""
    session_id = store.session.meta["id"]
    label_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id}/{source}/{word}/{start_ns}/{end_ns}").hex
    if label_id in store.known_ids():
        return []
    state: LiveState = "labelled" if source == "live" else "proposed"
    annotator = str(store.session.meta["operator"]) if source == "live" else "skin_teleop"
    return [
        store.add(
            word,
            start_ns,
            end_ns,
            state=state,
            source=source,
            annotator=annotator,
            attributes=attributes,
            label_id=label_id,
        )
    ]
