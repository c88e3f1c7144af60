"""The browser's side of the protocol equals the server's: generated types, golden bytes, a lock file without hosts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from server.control import FromDesk, FromOperator, FromServer
from server.display import DISPLAY_BYTES
from server.hand_drawing import hand_drawing
from server.operator_motion.calibration_motion import page_shapes
from server.protocol import POSE_SHAPE, Flag, PoseFrame, encode_pose_frame, parse_pose_frame
from server.typescript import typescript
from skin_teleop.hand import hand_model
from skin_teleop.kinematics import hand_posture
from skin_teleop.rig import load_rig

CLIENT = Path(__file__).parents[2] / "quest_client"
GOLDEN = json.loads((CLIENT / "tests" / "golden.json").read_text())


def test_the_generated_types_are_current():
    written = (CLIENT / "src" / "protocol" / "messages.ts").read_text()
    assert written == typescript(), "run: python -m server.typescript quest_client/src/protocol/messages.ts"


def test_the_emulated_hands_shapes_are_current():
    written = (CLIENT / "src" / "emulator" / "shapes.json").read_text()
    path = "quest_client/src/emulator/shapes.json"
    assert written == page_shapes(), f"run: python -m server.operator_motion.calibration_motion {path}"


@pytest.mark.parametrize("union", [FromOperator, FromDesk, FromServer])
def test_every_message_has_a_type(union):
    text = typescript()
    for kind in union.__args__:
        assert f"export interface {kind.__name__} " in text
        assert f'type: "{kind.__struct_config__.tag}";' in text


@pytest.mark.parametrize("golden", GOLDEN["pose_frames"])
def test_golden_pose_frames(golden):
    pose = np.zeros(POSE_SHAPE, np.float32)
    pose[0, 0] = pose[1, 24] = golden["first"]
    frame = PoseFrame(
        golden["seq"],
        Flag(golden["flags"]),
        golden["t_capture_ms"],
        golden["display_delta_ms"],
        golden["ack_seq"],
        pose,
    )
    data = encode_pose_frame(frame)
    assert data[:52].hex() == golden["head_hex"]
    assert data[-28:].hex() == golden["head_hex"][48:]
    unseen = Flag(golden["flags"]) & ~(Flag.LEFT_VALID | Flag.RIGHT_VALID)
    again = parse_pose_frame(data[:2] + int(unseen).to_bytes(2, "little") + data[4:])
    assert (again.seq, again.ack_seq, again.t_capture_ms) == (frame.seq, frame.ack_seq, frame.t_capture_ms)


@pytest.mark.parametrize("golden", GOLDEN["postures"])
def test_golden_postures(golden):
    model = hand_model("allegro_v4_right")
    tips = hand_posture(model, np.array(golden["angles_rad"])).tip_position_m
    np.testing.assert_allclose(tips, golden["tips_m"], atol=1e-8)


def test_the_golden_hand_is_the_rigs():
    drawing = hand_drawing(load_rig("simulated"))
    for name, value in GOLDEN["drawing"].items():
        np.testing.assert_allclose(np.array(drawing[name]), np.array(value), atol=1e-6)
    assert len(GOLDEN["display_hex"]) == 2 * DISPLAY_BYTES


def test_taxels_lie_flat_on_the_skin():
    drawing = hand_drawing(load_rig("simulated"))
    normal, tangent = np.array(drawing["taxel_normal"]), np.array(drawing["taxel_tangent"])
    assert normal.shape == tangent.shape == (368, 3)
    np.testing.assert_allclose((normal * tangent).sum(-1), 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(tangent, axis=-1), 1, atol=1e-4)


def test_the_lock_file_names_no_host():
    lock = (CLIENT / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "registry" not in lock
    assert lock.count('"integrity"') > 20


def test_the_sources_load_nothing_from_elsewhere():
    for path in [*CLIENT.glob("*.html"), *(CLIENT / "src").rglob("*.ts"), *(CLIENT / "src").rglob("*.css")]:
        text = path.read_text()
        assert "https://" not in text and "http://" not in text.replace("http://localhost through adb", ""), path.name


def test_the_clients_own_tests_pass():
    if shutil.which("npm") is None or not (CLIENT / "node_modules").is_dir():
        pytest.skip("needs Node 20 and `npm ci` in quest_client: run `make client`")
    done = subprocess.run(["npm", "test"], cwd=CLIENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    plain = re.sub(r"\x1b\[\d+m", "", done.stdout)
    assert int(re.search(r"Tests +(\d+) passed", plain)[1]) >= 36
    assert "skipped" not in plain
