"""The whole check of one session: its description, its store, its streams and its labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dataset_tools.checks.finding import CheckReport, Finding, counted
from dataset_tools.checks.labelled import check_labels
from dataset_tools.checks.signals import check_signals
from dataset_tools.checks.stored import check_manifest, check_store
from dataset_tools.checks.timing import check_timing
from dataset_tools.migrations import MIGRATED_FROM
from dataset_tools.reader import Session, open_session
from dataset_tools.session_folder import LIVE_SUFFIX, STORE_FOLDER
from dataset_tools.stream import Stream
from skin_teleop.errors import SessionError


def check_session(path: Path) -> CheckReport:
    """Judge one session, sealed or not; a session that cannot even be opened has one finding that says so."""
    findings: list[Finding] = []
    try:
        session = open_session(path)
        findings += _check_description(session)
        if (path / STORE_FOLDER).is_dir():
            findings += [*check_manifest(path), *check_store(path)]
    except SessionError as error:
        return CheckReport(str(path), (*findings, Finding("error", "cannot be opened", str(path), str(error))))
    for stream in session.streams.values():
        findings += _check_stream(stream, findings, session.realtime_factor or 1.0)
    if not any(finding.severity == "error" and finding.where.endswith("t_mono") for finding in findings):
        findings += check_labels(session)
    facts = {"status": session.status, "object": session.meta["object"], "rows": _rows(session)}
    return CheckReport(str(path), tuple(findings), facts)


def _check_stream(stream: Stream, known: list[Finding], realtime_factor: float) -> list[Finding]:
    """Judge time and values of a stream whose bytes could be read."""
    broken = {"unreadable", "missing field", "length", "shape"}
    if any(finding.fault in broken and finding.where.startswith(f"{stream.name}/") for finding in known):
        return []
    return [*check_timing(stream, realtime_factor), *check_signals(stream)]


def _check_description(session: Session) -> Iterator[Finding]:
    meta, name = session.meta, "session.json"
    if session.status == "interrupted":
        text = f"the recorder died; run: skin-teleop seal {session.path}"
        yield Finding("warning", "interrupted", name, text)
    elif meta.get("interrupted"):
        yield Finding("note", "interrupted", name, "the recorder died during this session; it was recovered")
    for damage in meta.get("log_damage", []):
        text = f"{damage['lost_bytes']} bytes of the log could not be used: {damage['reason']}"
        yield Finding("note" if meta.get("interrupted") else "warning", "log damage", damage["file"], text)
    if meta["status"] == "sealed" and session.path.name.endswith(LIVE_SUFFIX):
        yield Finding("warning", "unfinished seal", name, f"run: skin-teleop seal {session.path}")
    if meta.get("licence", "unspecified") == "unspecified":
        yield Finding("note", "licence", name, "no licence is set; the rig's recorder.licence sets one")
    if MIGRATED_FROM in meta:
        text = f"written as schema {meta[MIGRATED_FROM]} and read as {meta['version']}; the files stay as they are"
        yield Finding("note", "schema", name, text)
    rows = meta.get("rows", _rows(session))
    if rows != _rows(session):
        yield Finding("error", "rows", name, f"{_rows(session)} rows by stream, {rows} were sealed")
    for stream in session.streams.values():
        if dropped := int(stream.attributes["dropped"]):
            yield Finding("warning", "dropped", stream.name, f"its producer dropped {counted(dropped, 'row')}")


def _rows(session: Session) -> dict[str, int]:
    return {name: stream.rows for name, stream in session.streams.items()}
