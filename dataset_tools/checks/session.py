"""The whole check of one session: its description, its store, its streams and its labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dataset_tools.checks.finding import CheckReport, Finding, counted
from dataset_tools.checks.labelled import check_labels
from dataset_tools.checks.signals import check_signals
from dataset_tools.checks.stored import check_manifest, check_store
from dataset_tools.checks.timing import check_timing
from dataset_tools.manifest import MANIFEST_FILE
from dataset_tools.migrations import MIGRATED_FROM
from dataset_tools.reader import Session, open_session
from dataset_tools.session_folder import ASIDE_PREFIX, LIVE_SUFFIX, META_FILE, STORE_FOLDER
from dataset_tools.stream import UNREADABLE
from skin_teleop.errors import SessionError


def check_session(path: Path) -> CheckReport:
    """Judge one session, sealed or not; a session that cannot even be opened has one finding that says so."""
    try:
        session = open_session(path)
    except SessionError as error:
        return CheckReport(str(path), (Finding("error", "cannot be opened", str(path), str(error)),))
    findings: list[Finding] = []
    if (path / STORE_FOLDER).is_dir():
        findings += _survived(check_manifest(path), "manifest", MANIFEST_FILE)
        findings += _survived(check_store(path), "unreadable", STORE_FOLDER)
    findings += _survived(_check_description(session), "unreadable", META_FILE)
    realtime_factor = _realtime_factor(session)
    for name, stream in session.streams.items():
        if not _is_broken(name, findings):
            findings += _survived(check_timing(stream, realtime_factor), "unreadable", name)
            findings += _survived(check_signals(stream), "unreadable", name)
    if not any(finding.severity == "error" and finding.where.endswith("t_mono") for finding in findings):
        findings += _survived(check_labels(session), "unreadable", "labels")
    facts = {"status": session.status, "object": session.meta["object"], "rows": _rows(session)}
    return CheckReport(str(path), tuple(findings), facts)


def _survived(findings: Iterator[Finding], fault: str, where: str) -> Iterator[Finding]:
    """The findings of one check; where damage lets it not go on, that is a finding, too."""
    try:
        yield from findings
    except UNREADABLE as error:
        yield Finding("error", fault, where, f"{type(error).__name__}: {error}")


def _is_broken(stream: str, known: list[Finding]) -> bool:
    """Whether bytes of a stream cannot be read, so that nothing can be said of its time and values."""
    broken = {"unreadable", "missing field", "length", "shape"}
    return any(finding.fault in broken and finding.where.startswith(f"{stream}/") for finding in known)


def _realtime_factor(session: Session) -> float:
    try:
        return session.realtime_factor or 1.0
    except SessionError:  # its stream has a finding of its own
        return 1.0


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
    for aside in sorted(session.path.glob(f"{ASIDE_PREFIX}*")):
        text = f"a store that differed from the log, it may hold more than {STORE_FOLDER}; keep the better of the two"
        yield Finding("warning", "store aside", aside.name, text)
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
    """Rows by stream; one whose stamps are not there has none."""
    return {name: stream.rows if "t_mono" in stream.fields else 0 for name, stream in session.streams.items()}
