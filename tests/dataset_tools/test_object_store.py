"""Sessions in an object store, against a small S3-compatible server: GET with ranges, HEAD and PUT, in memory.

It speaks the part of the S3 REST API that is needed here (nothing is ever listed); signatures are not checked.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from dataset_tools.backup import backup_session
from dataset_tools.manifest import covered_files
from dataset_tools.reader import open_session
from dataset_tools.seal import seal_session
from dataset_tools.windows import held_at, rows_between
from skin_teleop.cli.main import main
from skin_teleop.clock import NS_PER_S
from skin_teleop.errors import MissingPartError, SessionError


class ObjectStoreServer:
    """Serves one bucket on a free loopback port. `requests` lists (method, key); `objects` is what is stored."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.bytes_sent = 0
        self.puts_left = 1 << 30
        """After so many PUTs every further one is refused, as a lost right to write would be."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.bucket = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def keys(self, method: str) -> list[str]:
        """Keys of all requests of one method so far, in order."""
        return [key for used, key in self.requests if used == method]

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together: no answer waits for the delayed acknowledgement of its head

    def _key(self) -> str:
        bucket, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        assert bucket == "bucket"
        return key

    @property
    def _store(self) -> ObjectStoreServer:
        return self.server.bucket  # type: ignore[attr-defined,no-any-return]

    def do_HEAD(self) -> None:
        self._answer_object("HEAD")

    def do_GET(self) -> None:
        self._answer_object("GET")

    def do_PUT(self) -> None:
        key, body = self._key(), self.rfile.read(int(self.headers["Content-Length"]))
        self._store.requests.append(("PUT", key))
        if self._store.puts_left <= 0:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return
        self._store.puts_left -= 1
        self._store.objects[key] = body
        self._answer(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def _answer_object(self, method: str) -> None:
        key = self._key()
        self._store.requests.append((method, key))
        if key not in self._store.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        whole = self._store.objects[key]
        facts = {
            "ETag": f'"{hashlib.md5(whole).hexdigest()}"',
            "Last-Modified": formatdate(0, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        first, last = self._range(len(whole))
        if (first, last) == (0, len(whole)):
            self._answer(200, whole, facts)
        else:
            facts["Content-Range"] = f"bytes {first}-{last - 1}/{len(whole)}"
            self._answer(206, whole[first:last], facts)

    def _range(self, size: int) -> tuple[int, int]:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        first, _, last = asked.partition("-")
        if not asked:
            return 0, size
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self._store.bytes_sent += len(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStoreServer]:
    """An empty bucket that `s3://bucket/...` leads to."""
    server = ObjectStoreServer()
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()


@pytest.fixture
def sealed(record):
    return seal_session(record(seconds=3.0))


def test_a_backup_to_a_store_is_the_session_object_by_object(sealed, bucket, capsys):
    assert main(["backup", str(sealed), "--to", "s3://bucket/lab"]) == 0
    files = {str(path.relative_to(sealed)): path.read_bytes() for path in sealed.rglob("*") if path.is_file()}
    assert bucket.objects == {f"lab/{sealed.name}/{name}": content for name, content in files.items()}
    assert f"s3://bucket/lab/{sealed.name}: {len(covered_files(sealed))} files copied" in capsys.readouterr().out


def test_data_go_before_what_describes_them(sealed, bucket):
    backup_session(sealed, "s3://bucket/lab")
    put = [key.removeprefix(f"lab/{sealed.name}/") for key in bucket.keys("PUT")]
    described = [name.endswith(".json") for name in put if name.startswith("session.zarr")]
    assert described == sorted(described) and any(described)
    assert put[-2:] == ["MANIFEST.sha256", "session.json"]


def test_an_interrupted_backup_is_no_session_and_goes_on(sealed, bucket):
    bucket.puts_left = 12
    with pytest.raises(SessionError, match=r"object store at s3://bucket/lab/.* was asked; .*credentials"):
        backup_session(sealed, "s3://bucket/lab")
    url = f"s3://bucket/lab/{sealed.name}"
    with pytest.raises(SessionError, match=r"no object session\.json there; next: .*under way is no session yet"):
        open_session(url)
    torn = bucket.keys("PUT")[3]
    bucket.objects[torn], bucket.puts_left = b"torn", 1000
    done = backup_session(sealed, "s3://bucket/lab")
    assert (done.target, done.copied, done.kept) == (url, len(covered_files(sealed)) - 11, 11)
    assert backup_session(sealed, "s3://bucket/lab").copied == 0
    assert open_session(url).streams["uskin"].rows == 300


def test_a_store_that_gives_back_something_else_is_noticed(sealed, bucket, monkeypatch):
    class Forgetful(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value[:-1] + b"?" if "/flux/c/" in key else value)

    bucket.objects = Forgetful()
    with pytest.raises(SessionError, match="flux/c/0/0/0 does not come back as it was written"):
        backup_session(sealed, "s3://bucket/lab")
    assert not any(key.endswith("session.json") for key in bucket.objects)


def test_another_session_of_the_name_is_not_overwritten(sealed, bucket):
    key = f"lab/{sealed.name}/MANIFEST.sha256"
    bucket.objects[key] = b"other\n"
    with pytest.raises(SessionError, match="another session at s3://bucket/lab"):
        backup_session(sealed, "s3://bucket/lab")
    assert bucket.objects == {key: b"other\n"}


def test_a_remote_session_reads_like_a_local_one(sealed, bucket):
    backup_session(sealed, "s3://bucket")
    here, there = open_session(sealed), open_session(f"s3://bucket/{sealed.name}")
    assert there.meta == here.meta and there.status == "sealed" and there.digests == here.digests
    assert (there.start_ns, there.end_ns, there.events()) == (here.start_ns, here.end_ns, here.events())
    for name, stream in here.streams.items():
        assert there.streams[name].rows == stream.rows and there.streams[name].fields == stream.fields
        assert there.streams[name].attributes == stream.attributes
        for field in stream.fields:
            assert np.array_equal(there.streams[name][field], stream[field]), (name, field)
    uskin = there.streams["uskin"]
    assert rows_between(uskin, there.start_ns + NS_PER_S, there.start_ns + 2 * NS_PER_S) == slice(100, 200)
    held = held_at(there.streams["allegro"], "position", uskin.t_mono[100:103])
    assert held.age_ns.max() < NS_PER_S / 300


def test_a_window_costs_its_chunks_and_no_more(sealed, bucket):
    backup_session(sealed, "s3://bucket")
    bucket.requests.clear()
    session = open_session(f"s3://bucket/{sealed.name}")
    opened = len(bucket.requests)
    assert opened <= 2 + 3 * len(session.streams)  # session.json, the root, and the groups: no columns
    assert not any("/flux/" in key for _, key in bucket.requests)
    before = bucket.bytes_sent
    window = session.streams["uskin"].read("flux", 110, 150)
    assert np.array_equal(window, open_session(sealed).streams["uskin"].read("flux", 110, 150))
    chunk_requests = [key for key in bucket.keys("GET") if "/flux/c/" in key]
    assert len(chunk_requests) == 2  # the index of the shard, and one of its three chunks
    assert bucket.bytes_sent - before < len(bucket.objects[chunk_requests[0]]) / 2
    session.streams["uskin"].read("flux", 160, 170)
    assert len([key for key in bucket.keys("GET") if key.endswith("/flux/zarr.json")]) == 1


def test_what_a_store_cannot_give_says_why(sealed, bucket):
    backup_session(sealed, "s3://bucket")
    url = f"s3://bucket/{sealed.name}"
    session = open_session(url)
    del bucket.objects[f"{sealed.name}/session.zarr/streams/uskin/flux/zarr.json"]
    with pytest.raises(SessionError, match=r"uskin/flux was to be read from the object store; .*backup"):
        session.streams["uskin"].read("flux", 0, 1)
    with pytest.raises(SessionError, match=r"it lies in an object store.*copy it to a disk first"):
        assert session.path
    with pytest.raises(SessionError, match="object store at nonsense://x/y was asked"):
        open_session("nonsense://x/y")
    meta = json.loads(bucket.objects[f"{sealed.name}/session.json"])
    bucket.objects[f"{sealed.name}/session.json"] = json.dumps(meta | {"version": "9.0.0"}).encode()
    with pytest.raises(SessionError, match=r"schema version 9\.0\.0; .*next: update skin-teleop"):
        open_session(url)
    del bucket.objects[f"{sealed.name}/session.zarr/zarr.json"]
    bucket.objects[f"{sealed.name}/session.json"] = json.dumps(meta).encode()
    with pytest.raises(SessionError, match=rf"the store of session {url} cannot be opened"):
        open_session(url)


def test_without_the_extra_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(MissingPartError, match=r"next: pip install 'skin-teleop\[remote\]'"):
        open_session("s3://bucket/session")
