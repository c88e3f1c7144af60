"""The example of the documentation runs as it stands there, and says what the text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from server.retargeting.tuning import Tuning
from skin_teleop.messages import JointTarget

PAGE = Path(__file__).parents[3] / "docs" / "retargeting.md"


def test_the_example_runs_and_gives_a_target_with_diagnostics(capsys) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code) == 1
    names: dict[str, Any] = {}
    exec(compile(code[0], str(PAGE), "exec"), names)  # the project's own page
    assert "solved" in capsys.readouterr().out
    assert isinstance(names["message"], JointTarget)
    assert names["batch"].q_rad.shape == (108, 16)
    assert set(names["batch"].held) == {""}
    np.testing.assert_array_equal(names["batch"].q_rad[-1], names["answer"].q_rad)


def test_the_page_names_the_bounds_that_hold() -> None:
    text, tuning = PAGE.read_text(), Tuning()
    assert f"### No depth over {1000 * tuning.bound_depth_m:.2f} mm" in text
    assert f"deeper than {1000 * tuning.allowed_depth_m:.1f} mm" in " ".join(text.split())
    assert f"nearer than {1000 * tuning.pinch_near_m:.0f} mm, fading out at {1000 * tuning.pinch_far_m:.0f} mm" in text
