"""What all tests share: the reference recordings, the rig's temporary runtime folder, one factor for every wait."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

WAIT_FACTOR = float(os.environ.get("SKIN_TELEOP_TEST_WAIT_FACTOR", "1"))
"""Every wait in the tests is multiplied by this, for machines that are slow or busy."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hardware",
        default="",
        metavar="DEVICE",
        help="run the conformance tests on a real device: allegro:can0 or uskin:ws://host:5000",
    )


@pytest.fixture
def wait_factor() -> float:
    return WAIT_FACTOR


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of public recordings; a test that needs it is skipped, with the reason, where it is absent."""
    folder = os.environ.get("SKIN_TELEOP_REFERENCE_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs the reference recordings: set SKIN_TELEOP_REFERENCE_DATA to their folder")
    return Path(folder)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short private folder for sockets, as a rig has one."""
    folder = Path(tempfile.mkdtemp(prefix="skt-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
