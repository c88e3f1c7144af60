"""The page about the session format names everything that a session can hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zarr

from dataset_tools.labels import VOCABULARY, Label
from dataset_tools.seal import seal_session
from skin_teleop.messages import SAMPLE_TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "session-format.md").read_text()


@pytest.mark.parametrize("kind", SAMPLE_TYPES.values(), ids=SAMPLE_TYPES)
def test_every_message_and_field_is_on_the_page(kind):
    assert f"| {kind.__name__} |" in PAGE
    missing = [name for name in kind.row_dtype().names if f"`{name}`" not in PAGE]
    assert missing == []


def test_every_attribute_file_and_key_is_on_the_page(record):
    sealed = seal_session(record(seconds=0.5), keep_wal=True)
    root = zarr.open(str(sealed / "session.zarr"), mode="r")
    words = {*root.attrs, *root["streams/uskin"].attrs, *root["static"].attrs, *root["static"].array_keys()}
    words |= set(json.loads((sealed / "session.json").read_text()))
    assert sorted(word for word in words if f"`{word}`" not in PAGE) == []
    assert [path.name for path in sealed.iterdir() if path.name not in PAGE] == []


def test_every_label_field_and_word_is_on_the_page():
    assert [name for name in Label.__struct_fields__ if f"`{name}`" not in PAGE] == []
    assert [word for word in VOCABULARY if word not in PAGE] == []
