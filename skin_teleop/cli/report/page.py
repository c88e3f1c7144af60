"""The report as one HTML file: styles, pictures and figures inside, nothing loaded from anywhere."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from skin_teleop.cli.report.colours import AMBER, BACKGROUND, BLUE, FAINT, GREEN, GRID, PANEL, TEXT
from skin_teleop.cli.report.style import data_uri

_STYLE = f"""
:root {{ color-scheme: dark; }}
body {{ margin: 0; background: {BACKGROUND}; color: {TEXT}; font: 16px/1.6 system-ui, sans-serif; }}
main {{ max-width: 1160px; margin: 0 auto; padding: 2.5rem 1.5rem 5rem; }}
h1 {{ font-weight: 600; font-size: 1.9rem; margin: 0 0 .3rem; letter-spacing: -.01em; }}
h2 {{ font-weight: 600; font-size: 1.15rem; margin: 3.2rem 0 .4rem; color: {BLUE}; }}
p {{ max-width: 46rem; color: #aab6c3; margin: .3rem 0 1rem; }}
.badge {{ display: inline-block; background: #3a2a10; color: {AMBER}; border-radius: 99px; padding: .1rem .8rem;
  font-size: .85rem; }}
.cards {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .8rem; margin: 1.6rem 0; }}
.card {{ background: {PANEL}; border: 1px solid {GRID}; border-radius: 12px; padding: .8rem 1rem; }}
.card b {{ display: block; font-size: 1.45rem; font-weight: 600; color: {GREEN}; font-variant-numeric: tabular-nums; }}
.card span {{ color: {FAINT}; font-size: .83rem; }}
img {{ width: 100%; border-radius: 12px; border: 1px solid {GRID}; display: block; }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }}
@media (max-width: 800px) {{ .pair {{ grid-template-columns: 1fr; }} }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }}
td, th {{ text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid {GRID}; }}
th {{ color: {FAINT}; font-weight: 500; }}
footer {{ margin-top: 4rem; color: {FAINT}; font-size: .85rem; }}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what it says, and its pictures."""

    title: str
    text: str
    figures: Sequence[Figure]
    table: Sequence[Sequence[str]] = ()


def write_page(path: Path, title: str, lead: str, cards: Mapping[str, str], sections: Sequence[Section]) -> None:
    """Write the report; `cards` maps a caption to its figure."""
    shown = "".join(
        f"<div class=card><b>{html.escape(v)}</b><span>{html.escape(k)}</span></div>" for k, v in cards.items()
    )
    body = "\n".join(_section(section) for section in sections)
    path.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{_STYLE}</style></head>
<body><main><span class="badge">simulated rig</span><h1>{html.escape(title)}</h1><p>{html.escape(lead)}</p>
<div class="cards">{shown}</div>
{body}
<footer>Every figure on this page was measured in this run. The hand, the skin and the objects are simulated; nothing
here has been validated on hardware.</footer></main></body></html>
"""
    )


def _section(section: Section) -> str:
    images = [f'<img alt="{html.escape(section.title)}" src="{data_uri(figure)}">' for figure in section.figures]
    shown = f"<div class=pair>{''.join(images)}</div>" if len(images) == 2 else "".join(images)
    return f"<h2>{html.escape(section.title)}</h2><p>{html.escape(section.text)}</p>{shown}{_table(section.table)}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{lines}</table>"
