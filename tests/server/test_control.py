"""The JSON messages: what each looks like on the wire, and what is refused."""

from __future__ import annotations

import pytest

from server import control
from server.control import encode_control, parse_from_operator, parse_from_server
from skin_teleop.errors import WireError
from skin_teleop.messages import RecorderStatus

FROM_OPERATOR = [
    (control.Arm(), '{"type":"arm"}'),
    (control.Disarm(), '{"type":"disarm"}'),
    (control.StandDown(), '{"type":"stand_down"}'),
    (control.EmergencyStop(), '{"type":"emergency_stop"}'),
    (control.Pong(3, 1.5), '{"type":"pong","id":3,"t_client_ms":1.5}'),
    (
        control.StartRecording("pringle", ("squeeze",), "anna"),
        '{"type":"start_recording","object":"pringle","plan":["squeeze"],"operator":"anna"}',
    ),
    (control.StopRecording(), '{"type":"stop_recording"}'),
    (control.Mark("squeeze", "begin"), '{"type":"mark","label":"squeeze","edge":"begin"}'),
    (control.Keep(), '{"type":"keep"}'),
    (control.Discard(), '{"type":"discard"}'),
]
FROM_SERVER = [
    control.Hello("skin-teleop.v1", "webxr-25", "right", "simulated", "disarmed"),
    control.Ping(4),
    control.Ack(9, "engaged", "dead-man held", {"unknown frame type": 2}),
    control.StateChanged("armed", "dead-man let go"),
    control.StateChanged("disarmed", "operator stopped in emergency", "push Disarm, then Arm"),
    control.Recorder(RecorderStatus("recording", session="s", rows={"uskin": 5}, marking="squeeze")),
    control.Refused("no"),
]


@pytest.mark.parametrize(("message", "text"), FROM_OPERATOR)
def test_operator_messages_have_this_text(message, text):
    assert encode_control(message) == text
    assert parse_from_operator(text) == message


@pytest.mark.parametrize("message", FROM_SERVER)
def test_server_messages_come_back(message):
    assert parse_from_server(encode_control(message)) == message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ("[]", "Expected `object`"),
        ('{"type":"fly"}', "Invalid value 'fly'"),
        ('{"type":"arm","now":true}', "unknown field `now`"),
        ('{"type":"start_recording","folder":"/etc"}', "unknown field `folder`"),
        ('{"type":"start_recording","object":"../up"}', r"matching regex.*object"),
        ('{"type":"start_recording","operator":"a/b"}', r"matching regex.*operator"),
        ('{"type":"start_recording","plan":[' + ",".join(['"a"'] * 33) + "]}", "length <= 32"),
        ('{"type":"mark","label":""}', "length >= 1"),
        ('{"type":"mark","label":"a","edge":"middle"}', "Invalid enum value 'middle'"),
        ('{"type":"pong","id":-1,"t_client_ms":0}', ">= 0"),
        ('{"type":"pong","id":1,"t_client_ms":1e300}', "<= "),
        ('{"type":"ping","id":1}', "Invalid value 'ping'"),
        ("[" * 5000, "a control message is not usable"),
        (" " * 9000, "too long; found: 9000 bytes"),
        ("\ud800", "a control message is not usable"),
    ],
)
def test_everything_else_is_refused_with_the_reason(text, why):
    with pytest.raises(WireError, match=why):
        parse_from_operator(text)
