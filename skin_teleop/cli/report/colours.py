"""The colours of every picture and page: dark and calm, each finger and each kind of label its own."""

from __future__ import annotations

BACKGROUND, PANEL, GRID, TEXT, FAINT = "#0d1117", "#131a22", "#232c38", "#d5dde6", "#7d8896"
BLUE, GREEN, AMBER, ROSE, VIOLET, TEAL = "#6cb6ff", "#5fd38d", "#f0b35a", "#f0788c", "#b69cff", "#58c9c0"
FINGER_COLOURS = {"index": BLUE, "middle": GREEN, "ring": AMBER, "thumb": ROSE, "palm": VIOLET}
LABEL_COLOURS = {
    "squeeze": BLUE,
    "pressing": VIOLET,
    "rotation": AMBER,
    "pick-and-drop": GREEN,
    "rest": FAINT,
    "contact": "#3a4656",
}
