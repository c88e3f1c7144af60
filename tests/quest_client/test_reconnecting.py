"""The pages on a bad network and at a bad start: what they keep, what they say, what they send afterwards."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from websockets.sync.client import connect

from server.access import subprotocols


class Wifi:
    """A TCP proxy whose operator connections can break on the page's side without the server's noticing."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        self._operators: list[tuple[socket.socket, socket.socket]] = []
        self._held: list[socket.socket] = []
        self._deaf: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def break_page_side(self) -> None:
        page, server = self._operators.pop()
        self._held += [page, server]
        page.shutdown(socket.SHUT_RDWR)

    def lose_what_the_page_says(self) -> None:
        """The server goes on to be heard."""
        self._deaf.append(self._operators[-1][0])

    def close(self) -> None:
        for end in self._sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                page, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [page, server]
                self._start(self._serve, page, server)

    def _serve(self, page: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            first = page.recv(65536)
            server.sendall(first)
            if b"/ws/operator" in first:
                self._operators.append((page, server))
        self._start(self._pass_on, server, page)
        self._pass_on(page, server)

    def _pass_on(self, source: socket.socket, drain: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source not in self._deaf:
                    drain.sendall(data)
        if source in self._held:  # the server is told nothing
            return
        for end in (source, drain):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def headset(headset_on, browser, robot, open_right_hand) -> Iterator[Any]:
    """A page that does not draw, so that it leaves the processor to the others."""
    page = headset_on(browser, robot, open_right_hand[None], draws=False)
    yield page
    page.context.close()


@pytest.fixture
def wifi(robot) -> Iterator[Wifi]:
    wifi = Wifi(robot.rig.server.port)
    own = dataclasses.replace(robot.rig.server, allowed_origins=(f"http://localhost:{wifi.port}",))
    robot.stop_server()
    robot.rig = dataclasses.replace(robot.rig, server=own)
    robot.start_server()
    yield wifi
    wifi.close()


def test_a_page_takes_its_own_seat_back_from_a_connection_that_died_unnoticed(headset, wifi):
    headset.page.goto(f"http://localhost:{wifi.port}/#t={headset.robot.invite()}")
    headset.page.click("#enter:enabled")
    headset.wait(lambda: len(headset.robot.stream("hand_pose")) >= 5, "poses")
    wifi.break_page_side()
    headset.wait(lambda: headset.names().count("connected") == 2, "the page to be back")
    assert headset.names()[:3] == ["connected", "disconnected", "connected"]
    causes = [facts["cause"] for name, facts in headset.robot.events() if name == "disconnected"]
    assert causes == ["the same page connected again"]
    before = len(headset.robot.stream("hand_pose"))
    headset.wait(lambda: len(headset.robot.stream("hand_pose")) >= before + 5, "poses in the same headset session")
    headset.wait(lambda: headset.said().startswith("Not armed"), "the state to be said")
    assert headset.do("sessionStorage.length") == 1


def test_a_server_that_dies_while_calibrating_leaves_nothing_to_cancel(headset, browser, robot, open_right_hand):
    headset.enter()
    desk = type(headset)(browser, robot, open_right_hand[None], draws=False)
    desk.open(f"desk#t={robot.invite()}")
    desk.page.click("#calibrate:enabled")
    desk.wait(lambda: desk.page.inner_text("#calibrate") == "Cancel", "the calibration")
    headset.wait(lambda: headset.do("window.heard.calibration?.step") == "open", "the ring in the headset")
    robot.stop_server()
    robot.start_server()
    desk.wait(lambda: desk.page.inner_text("#calibrate") == "Calibrate", "the desk to know")
    headset.wait(lambda: headset.said().startswith("Not armed"), "the headset to be back")
    headset.push_arm()
    desk.context.close()


def test_a_stop_that_nobody_heard_is_sent_when_the_server_is_back(headset, robot):
    headset.open(f"desk#t={robot.invite()}")
    headset.wait(lambda: headset.said().startswith("No operator yet"), "the desk page")
    robot.stop_server()
    headset.wait(lambda: headset.said().startswith("No server"), "the loss to be said")
    headset.page.click("#zero")
    headset.wait(lambda: "zero was not sent" in headset.said(), "the dropped order to be said")
    headset.page.click("#stop")
    headset.wait(lambda: "emergency stop is sent as soon as it answers" in headset.said(), "the kept order to be said")
    assert "emergency_stop" not in headset.names()
    robot.start_server()
    headset.wait(lambda: "emergency_stop" in headset.names(), "the stop")


def test_a_stop_said_into_a_dead_connection_is_said_again_whatever_is_heard_before(headset, wifi):
    headset.page.goto(f"http://localhost:{wifi.port}/#t={headset.robot.invite()}")
    headset.page.click("#enter:enabled")
    headset.push_arm()
    wifi.lose_what_the_page_says()
    headset.push(1, 0)  # STOP
    desk_url = f"ws://127.0.0.1:{headset.robot.rig.server.port}/ws/desk"
    with connect(desk_url, subprotocols=subprotocols("a-test-token"), proxy=None) as desk:
        desk.send('{"type":"disarm"}')
    headset.wait(lambda: headset.do("window.heard.state.reason") == "operator disarmed", "older news")
    assert "emergency_stop" not in headset.names()
    wifi.break_page_side()
    headset.wait(lambda: "emergency_stop" in headset.names(), "the stop")
    headset.wait(lambda: "push Disarm, then Arm" in headset.said(), "the next step to be said")
    assert headset.names().count("emergency_stop") == 1


@pytest.mark.parametrize("broken", ["**/api/hand", "**/api/pair", "**/assets/linkWorker*"])
def test_a_page_that_cannot_start_says_so_and_holds_no_seat(headset, robot, broken):
    headset.page.route(broken, lambda route: route.fulfill(status=404, body="x"))
    headset.open(f"#t={robot.invite()}")
    headset.wait(lambda: "eload the page" in headset.said(), "the words")
    assert headset.names() == []
    assert headset.errors == []
