from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from dataset_tools.exports.episodes import episodes
from dataset_tools.exports.folder import new_folder
from dataset_tools.exports.running_stats import RunningStats
from dataset_tools.labels import LabelStore
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.session_log import SessionLog
from skin_teleop.cli.main import main
from skin_teleop.errors import SessionError

parquet = pytest.importorskip("pyarrow.parquet", reason="exports need: pip install 'skin-teleop[export]'")
mcap_reader = pytest.importorskip("mcap.reader", reason="exports need: pip install 'skin-teleop[export]'")


@pytest.fixture
def labelled(record):
    sealed = seal_session(record(seconds=1.5, marks=((0.2, "slide", "begin"), (0.7, "slide", "end"))))
    store = LabelStore(open_session(sealed))
    t0 = store.session.start_ns
    store.add("slide", t0 + 200_000_000, t0 + 700_000_000)
    store.add("squeeze", t0 + 800_000_000, t0 + 1_200_000_000, attributes={"object": "cup"})
    store.add("contact", t0 + 100_000_000, t0 + 300_000_000, state="proposed", source="proposal")
    return sealed


def test_lerobot_holds_an_episode_a_label_on_one_frame_rate(labelled, tmp_path):
    target = tmp_path / "lerobot"
    assert main(["export", "lerobot", str(labelled), "--to", str(target), "--fps", "50"]) == 0
    info = json.loads((target / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0" and info["fps"] == 50
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (2, 45, 2)
    first = parquet.read_table(target / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(first.column_names) == set(info["features"])
    np.testing.assert_allclose(first["timestamp"].to_pylist(), np.arange(25) / 50, atol=1e-6)
    skin, joints = (open_session(labelled).streams[name] for name in ("uskin", "allegro"))
    t_ns = np.array(first["observation.t_mono"].to_pylist())
    rows = np.searchsorted(skin.t_mono, t_ns, side="right") - 1
    np.testing.assert_array_equal(np.array(first["observation.tactile"].to_pylist()), skin["flux"][rows])
    rows = np.searchsorted(joints.t_mono, t_ns, side="right") - 1
    np.testing.assert_array_equal(np.array(first["observation.state"].to_pylist()), joints["position"][rows])


def test_an_episode_ends_with_the_data_however_late_an_event_comes(record):
    """A session that was recovered an hour later has an event then; nobody wants an hour of the last frame."""
    session = open_session(seal_session(record(seconds=0.5, marks=((3600.0, "late", "begin"),))))
    assert session.duration_s > 3599
    (episode,) = episodes(session, 50)
    assert (episode.task, len(episode.t_mono_ns)) == ("unlabelled can", 25)
    assert episode.tactile_age_s.max() <= 0.01


def test_lerobot_tables_name_tasks_and_where_frames_stand(labelled, tmp_path):
    target = tmp_path / "lerobot"
    assert main(["export", "lerobot", str(labelled), "--to", str(target), "--fps", "50"]) == 0
    tasks = parquet.read_table(target / "meta/tasks.parquet")
    assert tasks.to_pylist() == [{"task_index": 0, "task": "slide can"}, {"task_index": 1, "task": "squeeze cup"}]
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    episodes = parquet.read_table(target / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"], e["length"]) for e in episodes] == [
        (0, 25, 25),
        (25, 45, 20),
    ]
    assert episodes[1]["tasks"] == ["squeeze cup"] and episodes[1]["stats/index/min"] == [25.0]
    stats = json.loads((target / "meta/stats.json").read_text())
    assert {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"} == set(stats["action"])
    assert stats["observation.state"]["count"] == [45] and np.shape(stats["observation.tactile"]["mean"]) == (368, 3)


def test_mcap_opens_with_its_reader_and_holds_every_row(labelled, tmp_path):
    assert main(["export", "mcap", str(labelled), "--to", str(tmp_path)]) == 0
    session, counts, first = open_session(labelled), {}, {}
    with (tmp_path / f"{labelled.name}.mcap").open("rb") as file:
        for _, channel, message in mcap_reader.make_reader(file).iter_messages():
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
            first.setdefault(channel.topic, (message, json.loads(message.data)))
    rows = {f"/{name}": stream.rows for name, stream in session.streams.items()}
    assert counts == rows | {"/labels": 3}
    message, joints = first["/allegro"]
    stream = session.streams["allegro"]
    assert joints["position"] == stream["position"][0].tolist() and joints["t_mono"] == int(stream.t_mono[0])
    assert (message.log_time, message.publish_time) == (int(stream["t_wall"][0]), int(stream["t_dev"][0]))
    assert first["/events"][1]["name"] == "mark" and first["/labels"][1]["label"] == "contact"


def test_parquet_holds_every_value_and_a_card(labelled, tmp_path):
    target = tmp_path / "parquet"
    assert main(["export", "parquet", str(labelled), "--to", str(target)]) == 0
    session = open_session(labelled)
    for name, stream in session.streams.items():
        table = parquet.read_table(target / name / f"{labelled.name}.parquet")
        for field in stream.fields:
            shape = stream[field].shape
            found = np.array(table[field].to_pylist(), stream[field].dtype).reshape(shape)
            np.testing.assert_array_equal(found, stream[field])
    assert table.schema.field("t_mono").metadata[b"unit"].startswith(b"ns")
    card = (target / "README.md").read_text()
    assert "license: unspecified" in card and "objects: can" in card and "data_files: uskin/*.parquet" in card
    assert parquet.read_table(target / "labels" / f"{labelled.name}.parquet").num_rows == 3


def test_the_licence_travels_with_the_session_into_every_export(record, rig, tmp_path, capsys):
    free = seal_session(record(seconds=0.5))
    meta = json.loads((free / "session.json").read_text())
    (free / "session.json").write_text(json.dumps(meta | {"licence": "CC-BY-4.0"}))
    assert main(["sessions", rig.recorder.folder]) == 0
    assert capsys.readouterr().out.endswith("  CC-BY-4.0\n")
    for form in ("lerobot", "parquet"):
        assert main(["export", form, str(free), "--to", str(tmp_path / form)]) == 0
        card = (tmp_path / form / "README.md").read_text()
        assert "license: CC-BY-4.0" in card and f"| {free.name} | CC-BY-4.0 | p1 |" in card
    assert main(["export", "mcap", str(free), "--to", str(tmp_path)]) == 0
    with (tmp_path / f"{free.name}.mcap").open("rb") as file:
        (metadata,) = mcap_reader.make_reader(file).iter_metadata()
    assert metadata.metadata["licence"] == "CC-BY-4.0"
    other = seal_session(record(seconds=0.5))
    assert main(["export", "parquet", str(free), str(other), "--to", str(tmp_path / "mixed")]) == 0
    assert "license: other" in (tmp_path / "mixed" / "README.md").read_text()


def test_the_recorder_stores_the_licence_of_its_rig(rig, tmp_path):
    licensed = dataclasses.replace(rig, recorder=dataclasses.replace(rig.recorder, licence="CC0-1.0"))
    with SessionLog.create(tmp_path / "free", licensed) as log:
        pass
    assert json.loads((log.folder / "session.json").read_text())["licence"] == "CC0-1.0"


def test_an_existing_export_stays_and_a_failed_one_leaves_nothing(labelled, tmp_path, capsys):
    for form in ("lerobot", "parquet"):
        (tmp_path / form).mkdir()
        assert main(["export", form, str(labelled), "--to", str(tmp_path / form)]) == 1
        assert "it exists already" in capsys.readouterr().err
        assert main(["export", form, str(tmp_path / "no"), "--to", str(tmp_path / "new")]) == 1
    assert main(["export", "lerobot", str(labelled), "--to", str(tmp_path / "new"), "--fps", "0"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "sessions") == ["lerobot", "parquet"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match="cannot be written"), new_folder(tmp_path / "file" / "x"):
        pass


def test_running_figures_equal_those_of_the_whole():
    frames = np.random.default_rng(2).normal(3, 2, (300, 4))
    stats = RunningStats()
    for part in np.split(frames, 5):
        stats.add(part)
    figures = stats.to_json()
    np.testing.assert_allclose(figures["mean"], frames.mean(axis=0))
    np.testing.assert_allclose(figures["std"], frames.std(axis=0))
    np.testing.assert_allclose(figures["q50"], np.median(frames, axis=0), atol=0.2)
    assert figures["count"] == [300] and figures["max"] == frames.max(axis=0).tolist()
