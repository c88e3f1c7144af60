"""Asking a running server for an invitation, for the program that started it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

from server.certificates import trusting_this_machine
from skin_teleop.errors import DeviceError

ANSWER_S = 5.0


@dataclass(frozen=True, slots=True)
class Invited:
    """What to hand to a browser."""

    token: str
    code: str


def ask_for_invitation(base_url: str, rig_token: str) -> Invited:
    """A fresh invitation from the server at `base_url` (with its `/`); raises DeviceError when it does not answer."""
    request = urllib.request.Request(
        f"{base_url}api/invite", method="POST", headers={"Authorization": f"Bearer {rig_token}"}
    )
    context = trusting_this_machine() if base_url.startswith("https:") else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=ANSWER_S) as answer:
            given = json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            raise DeviceError("an invitation was asked of the server", found=str(refused)) from refused
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise DeviceError(
            "an invitation was asked of the server", found=str(error), next_step="skin-teleop up"
        ) from error
    return Invited(str(given["token"]), str(given["code"]))
