"""Rows of the stream `events` as names and facts, and the spans that marks enclose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from skin_teleop.clock import NS_PER_S
from skin_teleop.messages import EVENT_NAMES, Array, event_facts

EventRow = tuple[int, str, dict[str, Any]]
"""t_mono ns, name, facts."""


def read_events(t_mono_ns: Array, code: Array, text: Array) -> list[EventRow]:
    """Events in order of time from columns (n,), (n,) and (n, 1024) uint8; unreadable facts become empty."""
    rows = [
        (int(t), EVENT_NAMES.get(int(number), f"unknown_{number}"), _facts(words))
        for t, number, words in zip(t_mono_ns, code, text)
    ]
    return sorted(rows, key=lambda row: row[0])


def _facts(text: Array) -> dict[str, Any]:
    try:
        facts = event_facts(text)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """A span between a `begin` mark and its `end`."""

    label: str
    start_ns: int
    end_ns: int
    closed: bool
    """False where the session ended before the mark did."""


def marked_spans(events: Iterable[EventRow], session_end_ns: int) -> list[MarkedSpan]:
    """Spans between begin and end marks of the same label, by start; t_mono ns.

    A mark without an edge stands for the second that follows it. A second begin of the same label closes the first.
    """
    spans, begun = [], dict[str, int]()
    for t_ns, name, facts in events:
        if name != "mark":
            continue
        label, edge = str(facts.get("label", "")), facts.get("edge", "")
        if edge != "end" and edge != "begin":
            spans.append(MarkedSpan(label, t_ns, min(t_ns + NS_PER_S, session_end_ns), True))
            continue
        if label in begun:
            spans.append(MarkedSpan(label, begun.pop(label), t_ns, True))
        if edge == "begin":
            begun[label] = t_ns
    spans += [MarkedSpan(label, start_ns, session_end_ns, False) for label, start_ns in begun.items()]
    return sorted((span for span in spans if span.end_ns > span.start_ns), key=lambda span: span.start_ns)


def dropped_rows(events: Iterable[EventRow]) -> dict[str, int]:
    """Rows that producers could not hand to the recorder, by stream: the last word of the `dropped` events."""
    told = [facts for _, name, facts in events if name == "dropped"]
    return {str(facts["stream"]): int(facts["dropped"]) for facts in told if {"stream", "dropped"} <= facts.keys()}
