"""Each operator's calibrations as files, one more with every calibration; the newest counts, no older one is touched.

`<folder>/<operator>/<hand model>-<version>.json` holds a `skin_teleop.calibration`. Names are pseudonyms.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from server.retargeting.calibration import Calibration, load_calibration
from skin_teleop.errors import ConfigError

OPERATOR_NAME = r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$"
"""A pseudonym that is a folder's name too: no dot, no slash, no space."""


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """A calibration and which of its operator's it is, from 1; 0 for one that the rig file names."""

    calibration: Calibration
    version: int


class OperatorStore:
    """The calibrations of all operators for one robot hand; a missing folder is an empty store."""

    def __init__(self, folder: Path, hand_model: str) -> None:
        self._folder = folder
        self._hand_model = hand_model

    def names(self) -> list[str]:
        """Operators who have a calibration for this hand, by name."""
        if not self._folder.is_dir():
            return []
        return sorted(entry.name for entry in self._folder.iterdir() if entry.is_dir() and self._versions(entry.name))

    def newest(self, operator: str) -> KeptCalibration | None:
        """The operator's last calibration; raises ConfigError where its file is broken or the name is odd."""
        versions = self._versions(operator)
        if not versions:
            return None
        return KeptCalibration(load_calibration(self._path(operator, versions[-1])), versions[-1])

    def keep(self, calibration: Calibration) -> KeptCalibration:
        """Store one more version, on the disk before this returns."""
        version = (self._versions(calibration.operator) or [0])[-1] + 1
        path = self._path(calibration.operator, version)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("xb") as file:  # never over an older one
            file.write(msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return KeptCalibration(calibration, version)

    def _versions(self, operator: str) -> list[int]:
        if not re.fullmatch(OPERATOR_NAME, operator):
            raise ConfigError("an operator's name", found=repr(operator), allowed="letters, digits, dash, underscore")
        named = re.compile(re.escape(self._hand_model) + r"-(\d{4,})\.json")
        found = (named.fullmatch(path.name) for path in (self._folder / operator).glob("*.json"))
        return sorted(int(match[1]) for match in found if match)

    def _path(self, operator: str, version: int) -> Path:
        return self._folder / operator / f"{self._hand_model}-{version:04}.json"


def operators_folder() -> Path:
    """Where operators are kept unless the rig file says `server.operators`: this user's data folder."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "skin-teleop" / "operators"
