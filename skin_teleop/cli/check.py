"""`skin-teleop check`: is a session what was recorded, and is it good? Exit code 1 when anything is wrong."""

from __future__ import annotations

import argparse
import html
import json
from pathlib import Path

from dataset_tools.checks.finding import CheckReport, Finding
from dataset_tools.checks.session import check_session
from skin_teleop.cli.report.colours import AMBER, BACKGROUND, FAINT, GREEN, GRID, ROSE, TEXT

MARKS = {"error": "ERROR  ", "warning": "warning", "note": "note   "}
COLOURS = {"error": ROSE, "warning": AMBER, "note": FAINT}

STYLE = f"""<style>
body {{ margin: 2rem auto; max-width: 70rem; background: {BACKGROUND}; color: {TEXT};
  font: 15px/1.6 system-ui, sans-serif; }}
td {{ padding: .3rem 1rem .3rem 0; border-bottom: 1px solid {GRID}; vertical-align: top; }}
table {{ border-collapse: collapse; }}
</style>"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("sessions", nargs="+", type=Path, metavar="SESSION", help="session folders, sealed or not")
    parser.add_argument("--strict", action="store_true", help="warnings count as failures too")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the findings as one HTML page, too")


def run(options: argparse.Namespace) -> int:
    """Check every session; 0 only when all passed."""
    reports = [check_session(path) for path in options.sessions]
    if options.json:
        print(json.dumps([report.to_json() for report in reports], indent=2))
    else:
        for report in reports:
            print("\n".join(report_lines(report)))
    if options.html:
        options.html.write_text(report_page(reports))
    return 0 if all(_passed(report, options.strict) for report in reports) else 1


def report_lines(report: CheckReport) -> list[str]:
    """One report for a terminal: a line for the session, a line a finding."""
    lines = [f"{report.session}: {'passed' if report.passed else 'FAILED'}"]
    return lines + [f"  {MARKS[f.severity]}  {f.fault}  {f.where}  {f.text}" for f in report.findings]


def report_page(reports: list[CheckReport]) -> str:
    """All reports as one HTML page that loads nothing."""
    sections = "".join(_section(report) for report in reports)
    passed = sum(report.passed for report in reports)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Check of sessions</title>{STYLE}'
        f"</head><body><h1>{passed} of {len(reports)} sessions passed</h1>{sections}</body></html>\n"
    )


def _section(report: CheckReport) -> str:
    colour, verdict = (GREEN, "passed") if report.passed else (ROSE, "failed")
    rows = "".join(_row(finding) for finding in report.findings)
    name = html.escape(report.session)
    return f'<h2>{name} <span style="color:{colour}">{verdict}</span></h2><table>{rows}</table>'


def _row(finding: Finding) -> str:
    cells = (finding.fault, finding.where, finding.text)
    shown = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f'<tr><td style="color:{COLOURS[finding.severity]}">{finding.severity}</td>{shown}</tr>'


def _passed(report: CheckReport, strict: bool) -> bool:
    return report.passed and not (strict and any(f.severity == "warning" for f in report.findings))
