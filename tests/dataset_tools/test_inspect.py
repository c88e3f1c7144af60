from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from dataset_tools.labels import LabelStore
from dataset_tools.overview import Level
from dataset_tools.overview_sources import Lane
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from skin_teleop.cli.main import main
from skin_teleop.cli.report.inspect_page import lane_ranges, quantised


def embedded(page: str, name: str) -> str:
    return re.search(rf'<script type="[^"]+" id="{name}">(.*?)</script>', page, re.DOTALL)[1]


@pytest.fixture
def session(record):
    marks = ((0.1, "rest", "begin"), (0.9, "rest", "end"))
    path = seal_session(record(seconds=3.0, marks=marks, live=False))
    store = LabelStore(open_session(path))
    start_ns = store.session.start_ns
    store.add("slide", start_ns + 5 * 10**8, start_ns + 10**9)
    store.add("contact", start_ns + 12 * 10**8, start_ns + 2 * 10**9, state="proposed", source="proposal")
    return path


def test_the_page_holds_labels_events_and_every_lane_and_loads_nothing(session, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["inspect", str(session), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    page = out.read_text()
    assert not re.search(r"(?:src|href)=|https?://|@import|url\(", page)
    content = json.loads(embedded(page, "content"))
    assert [label["label"] for label in content["labels"]] == ["slide", "contact"]
    assert content["labels"][0]["start"] == pytest.approx(0.5)
    assert content["labels"][1]["facts"]["state"] == "proposed"
    assert [name for _, name, _ in content["events"]] == ["mark", "mark"]
    data = base64.b64decode(embedded(page, "data"))
    assert len(data) == 2 * len(content["lanes"]) * sum(level["count"] for level in content["levels"])
    assert content["levels"][0]["bucket"] == 0.01


def test_words_from_outside_stay_words(session, tmp_path):
    store = LabelStore(open_session(session))
    start_ns = store.session.start_ns
    store.add("slide", start_ns, start_ns + 10**8, attributes={"object": "</script><script>alert(1)</script>"})
    assert main(["inspect", str(session), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert page.count("</script>") == 3


def test_the_page_beside_the_session_is_written_anew_and_another_never(session, capsys):
    for _ in range(2):
        assert main(["inspect", str(session)]) == 0
    page = session.with_name(f"{session.name}.inspect.html")
    assert page.is_file()
    assert main(["inspect", str(session), "--out", str(page)]) == 1
    assert "it exists already; allowed: a new file" in capsys.readouterr().err


def test_the_page_stands_beside_the_session_also_from_within(session, monkeypatch):
    monkeypatch.chdir(session)
    assert main(["inspect", "."]) == 0
    assert session.with_name(f"{session.name}.inspect.html").is_file()


def test_a_part_of_a_session(session, tmp_path):
    assert main(["inspect", str(session), "--from", "0.5", "--to", "1.5", "--out", str(tmp_path / "p.html")]) == 0
    content = json.loads(embedded((tmp_path / "p.html").read_text(), "content"))
    assert (content["start"], content["end"], content["levels"][0]["count"]) == (0.5, 1.5, 101)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--from", "-1"], "a span inside the session, 0 to 2.997 s"),
        (["--to", "9"], "a span inside the session"),
        (["--from", "2", "--to", "1"], "a span inside the session"),
        (["--from", "nan"], "a span inside the session"),
    ],
)
def test_spans_outside_are_refused(session, words, text, capsys):
    assert main(["inspect", str(session), *words]) == 1
    assert text in capsys.readouterr().err


def test_nothing_to_inspect_is_an_error(tmp_path, capsys):
    assert main(["inspect"]) == 1
    assert main(["inspect", str(tmp_path / "no")]) == 1
    err = capsys.readouterr().err
    assert "nothing to inspect was named" in err and "no such folder" in err


def test_a_folder_that_cannot_be_written_asks_for_another(session, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["inspect", str(session), "--out", str(tmp_path / "file" / "page.html")]) == 1
    assert "give --out FILE" in capsys.readouterr().err


def test_ranges_join_what_is_compared_and_do_not_blow_up_what_stands_still():
    lanes = [
        Lane("skin", "a", "counts"),
        Lane("skin", "b", "counts"),
        Lane("position", "index 0", "°"),
        Lane("target", "index 0", "°"),
        Lane("position", "index 1", "°"),
    ]
    low = np.array([[0, 9, 10, 5, 30], [3, 0, 20, 12, 30]], np.float32)
    high = np.array([[99, 20, 15, 6, 30], [5, 999, 22, 12, 30]], np.float32)
    ranges = lane_ranges(lanes, Level(1, low, high))
    assert ranges[0] == ranges[1] == pytest.approx((0, 3))
    assert ranges[2] == ranges[3] == (5, 22)
    assert ranges[4] == (28, 32)


def test_bytes_spread_over_the_range_and_zero_is_no_value():
    plain, skin = Lane("torque", "index 0", "Nm"), Lane("skin", "pad", "counts")
    values = np.array([-1, 0, 1, np.nan, 5], np.float32)
    assert quantised(values, plain, (-1.0, 1.0)).tolist() == [1, 128, 255, 0, 255]
    assert quantised(np.array([0, 9, 99]), skin, (0.0, 2.0)).tolist() == [1, 128, 255]


def test_the_page_draws_itself_in_a_browser(session, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium fonts-liberation")
    out = tmp_path / "page.html"
    assert main(["inspect", str(session), "--out", str(out)]) == 0
    keys = "for (const key of ['+', '+', 'ArrowRight']) window.dispatchEvent(new KeyboardEvent('keydown', {key}))"
    out.write_text(out.read_text().replace("</body>", f"<script>{keys}</script></body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    dump = subprocess.run(
        [browser, *flags, "--virtual-time-budget=3000", "--window-size=1200,900", "--dump-dom", out.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert 'data-bucket="0.01"' in dump.stdout
    start, end = map(float, re.search(r'data-asked="(\S+) (\S+)"', dump.stdout).groups())
    assert end - start == pytest.approx(2.997 / 4, abs=0.01)
    assert (start + end) / 2 == pytest.approx(2.997 / 2 + 2.997 / 16, abs=0.01)
