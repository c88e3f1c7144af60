from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skin_teleop.clock import Stamp
from skin_teleop.errors import WireError
from skin_teleop.frames import decode, decode_rows, encode, frame_head, split_frame
from skin_teleop.messages import (
    EVENT_CODES,
    EVENT_TEXT_BYTES,
    NOTICE_TYPES,
    SAMPLE_TYPES,
    DropCount,
    Event,
    HandCommand,
    HandPose,
    JointState,
    RecorderCommand,
    Sample,
    SkinFrame,
)


def random_sample(kind: type[Sample], rng: np.random.Generator) -> Sample:
    row = np.frombuffer(rng.bytes(kind.row_dtype().itemsize), kind.row_dtype())[0]
    return kind.unpack(row.tobytes())


@pytest.mark.parametrize("kind", SAMPLE_TYPES.values(), ids=SAMPLE_TYPES)
def test_every_sample_survives_the_bus_bit_for_bit(kind: type[Sample]) -> None:
    sample = random_sample(kind, np.random.default_rng(3))
    got, stream = decode(encode(sample, "left_hand"))
    assert type(got) is kind
    assert stream == "left_hand"
    assert got.pack() == sample.pack()


@pytest.mark.parametrize("kind", SAMPLE_TYPES.values(), ids=SAMPLE_TYPES)
def test_every_column_states_its_unit(kind: type[Sample]) -> None:
    assert all(text["unit"] for text in kind.column_units().values())
    assert list(kind.column_units())[:5] == ["t_dev", "t_mono", "t_wall", "seq", "flags"]


def test_row_sizes_are_those_of_the_session_format() -> None:
    stamps = 8 + 8 + 8 + 4 + 1
    assert SkinFrame.row_dtype().itemsize == stamps + 368 * 3 * 2 + 368 * 2
    assert JointState.row_dtype().itemsize == stamps + 4 * 16 * 4 + 4 + 8
    assert HandPose.row_dtype().itemsize == stamps + 2 * 25 * 7 * 4 + 2


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_never_crash(data: bytes) -> None:
    try:
        decode(data)
    except WireError as error:
        assert "expected" in str(error)
    else:
        assert split_frame(data)[0] in {**SAMPLE_TYPES, **NOTICE_TYPES}


def test_a_frame_to_the_recorder_holds_several_rows() -> None:
    rows = [random_sample(JointState, np.random.default_rng(k)) for k in range(3)]
    frame = frame_head("JointState", "allegro") + b"".join(row.pack() for row in rows)
    read = decode_rows(frame)
    assert [(row.pack(), stream) for row, stream in read] == [(row.pack(), "allegro") for row in rows]  # type: ignore[union-attr]
    assert decode_rows(encode(DropCount("allegro", 3))) == [(DropCount("allegro", 3), "")]
    for broken in (frame[:-1], frame_head("JointState", "allegro"), b"rubbish"):
        with pytest.raises(WireError):
            decode_rows(broken)


def test_a_short_row_names_both_lengths() -> None:
    with pytest.raises(WireError, match=r"SkinFrame row was expected; found: 3 bytes; allowed: 2973 bytes"):
        SkinFrame.unpack(b"abc")


def test_an_unknown_message_lists_the_known_ones() -> None:
    with pytest.raises(WireError, match="found: Nonsense; allowed: SkinFrame"):
        decode(b"Nonsense\0\0payload")


def test_an_unreadable_command_is_refused() -> None:
    with pytest.raises(WireError, match="a HandCommand was expected"):
        decode(b"HandCommand\0\0\xc1")


def test_a_command_with_an_unknown_action_is_refused() -> None:
    frame = encode(HandCommand("arm")).replace(b"arm", b"fly")
    with pytest.raises(WireError, match="Invalid enum value 'fly'"):
        decode(frame)


def test_commands_keep_their_fields() -> None:
    command = RecorderCommand("start", object="pringle", plan=("squeeze", "pressing"), operator="p01")
    assert decode(encode(command))[0] == command


def test_an_event_keeps_its_facts() -> None:
    event = Event.now("mark", 7, label="squeeze", edge="begin")
    got, _ = decode(encode(event, "events"))
    assert isinstance(got, Event)
    assert (got.name, got.seq, got.facts) == ("mark", 7, {"label": "squeeze", "edge": "begin"})


def test_an_event_too_long_for_its_row_says_how_much_fits() -> None:
    with pytest.raises(WireError, match=f"at most {EVENT_TEXT_BYTES} bytes"):
        Event.now("fault", 1, cause="x" * EVENT_TEXT_BYTES)


def test_event_codes_are_distinct() -> None:
    assert len(set(EVENT_CODES.values())) == len(EVENT_CODES)


def test_a_sequence_number_wraps_at_32_bits() -> None:
    event = Event.stamped(Stamp(0, 1, 2), 2**32 + 5, code=7, text=np.zeros(EVENT_TEXT_BYTES, np.uint8))
    assert Event.unpack(event.pack()).seq == 5
