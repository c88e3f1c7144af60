"""README.md of an exported data set in the form of the Hugging Face hub: licence, tags, and what the columns mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dataset_tools.reader import Session

SECONDS_PER_HOUR = 3600


def dataset_card(sessions: Sequence[Session], data_files: Mapping[str, str], tags: Sequence[str] = ()) -> str:
    """The card; `data_files` maps the name of a part to the pattern of its files."""
    licences = sorted({str(session.meta["licence"]) for session in sessions})
    hours = sum(session.duration_s for session in sessions) / SECONDS_PER_HOUR
    objects = sorted({session.meta["object"] for session in sessions if session.meta["object"]})
    lines = ["---", f"license: {licences[0] if len(licences) == 1 else 'other'}"]
    lines += [f"tags: [{', '.join(('robotics', 'tactile', *tags))}]", "configs:"]
    lines += [f"- config_name: {name}\n  data_files: {files}" for name, files in data_files.items()]
    lines += ["---", "", "# Tactile-skin sessions", ""]
    lines += [f"{len(sessions)} sessions, {hours:.3f} hours, objects: {', '.join(objects) or 'none named'}."]
    lines += ["Times are integer nanoseconds; `t_mono` joins the streams. Lists are in C order.", ""]
    lines += ["| session | licence | operator |", "|---|---|---|"]
    lines += [f"| {s.meta['id']} | {s.meta['licence']} | {s.meta['operator'] or '-'} |" for s in sessions]
    return "\n".join([*lines, "", *_streams(sessions)])


def _streams(sessions: Sequence[Session]) -> Iterator[str]:
    """A table of columns and units for every stream that occurs."""
    streams = {name: stream for session in sessions for name, stream in session.streams.items()}
    for name, stream in sorted(streams.items()):
        yield from (f"## {name}", "", str(stream.attributes["source"]), "", "| column | unit |", "|---|---|")
        yield from (f"| {field} | {unit} |" for field, unit in stream.attributes["units"].items())
        yield ""
