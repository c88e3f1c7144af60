"""The simulated skin exists twice, compiled and in numpy; tests that ask for `skin_code` run on both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.simulated import contact_kernel, skin_scan
from drivers.simulated.skin import magnetic_skin
from drivers.simulated.skin.library import skin_library


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def skin_code(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which of the two the skins and scans of this test are made of."""
    if request.param == "compiled" and skin_library() is None:
        pytest.skip("no C compiler here")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            for module in (magnetic_skin, skin_scan, contact_kernel):
                patch.setattr(module, "skin_library", lambda: None)
        yield request.param
