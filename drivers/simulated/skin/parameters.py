"""Every number of the skin model: its value, its unit, and whether it is cited, fitted or a guess.

`cited` stands in a data sheet or was read off a public recording, `fitted` was adjusted here so that the model
reproduces a cited figure, `guess` is neither. No recording of a real Allegro kit in touch was public when this was
written, so the model as a whole is not validated.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from skin_teleop.errors import ConfigError

KINDS = ("cited", "fitted", "guess")
SHEET = "XELA uSPa46 spec sheet, Jul 2025"
PROTOTYPE = "planning value of a prototype without measurements"


def number(value: float, *, unit: str, kind: str, source: str, low: float = 0.0, high: float = 1e6) -> Any:
    """Declare one parameter: default, unit, kind, source and the closed range that `check` allows."""
    return dataclasses.field(
        default=value, metadata={"unit": unit, "kind": kind, "source": source, "low": low, "high": high}
    )


@dataclass(frozen=True, slots=True)
class SkinParameters:
    """The skin in numbers; replace some with `dataclasses.replace`."""

    contact_reach_m: float = number(
        0.0008, unit="m", kind="guess", source=PROTOTYPE + ": how far a taxel feels an object above it"
    )
    bump_spread_m: float = number(
        0.00005, unit="m", kind="guess", source="height noise of the taxels; the effect is from GCS, arXiv 2505.02915"
    )
    normal_stiffness_n_per_m: float = number(
        5300.0, unit="N/m", kind="fitted", low=1.0, source=f"1370 counts/N normal ({SHEET}) on an even press"
    )
    shear_stiffness_n_per_m: float = number(
        2000.0, unit="N/m", kind="fitted", low=1.0, source=f"1600 counts/N shear ({SHEET}) on an even drag"
    )
    spread_length_m: float = number(
        0.0035, unit="m", kind="guess", low=1e-5, source=PROTOTYPE + ": an indentation falls to 1/e over it"
    )
    poisson_share: float = number(
        0.10, unit="m/m", kind="guess", source="sideways bulge beside an indentation; the effect is from GCS"
    )
    largest_displacement_m: float = number(
        0.00075, unit="m", kind="fitted", low=1e-6, source=f"10085 counts at 7.35 N, still near the line ({SHEET})"
    )
    shear_memory: float = number(
        0.15,
        unit="share",
        kind="guess",
        high=0.9,
        source="part of the shear that sticks; idea of HydroShear, 2603.00446",
    )
    shear_memory_s: float = number(1.0, unit="s", kind="guess", low=1e-3, source="how fast that part is taken up")
    slip_release_m_per_s: float = number(
        0.005, unit="m/s", kind="guess", low=1e-6, source="slip above it releases the remembered shear"
    )
    hysteresis: float = number(
        0.03, unit="share", kind="guess", high=0.4, source=f"late part; small, as 1.1 % hysteresis asks ({SHEET})"
    )
    hysteresis_s: float = number(0.4, unit="s", kind="guess", low=1e-3, source=PROTOTYPE)
    creep: float = number(0.03, unit="share", kind="guess", high=0.4, source="second, slow branch of the elastomer")
    creep_s: float = number(10.0, unit="s", kind="guess", low=1e-3, source="second, slow branch of the elastomer")
    magnet_height_m: float = number(
        0.003, unit="m", kind="guess", low=0.0015, source="a 4x4 pad is 4.4 mm high, the magnet lies near its top"
    )
    magnet_moment_a_m2: float = number(
        3e-4, unit="A m^2", kind="guess", source="2.2 mT at 3 mm, inside a 5-50 mT sensor"
    )
    moment_spread: float = number(0.05, unit="share", kind="guess", source=PROTOTYPE)
    magnet_tilt: float = number(
        0.2, unit="rad per (m/m)", kind="guess", source="a magnet leans when its top is dragged"
    )
    tesla_per_count: float = number(
        3e-7, unit="T", kind="guess", low=1e-9, source="MLX90393 class sensor, middle of its gain settings"
    )
    earth_x_t: float = number(20e-6, unit="T", kind="cited", low=-1e-3, source="mid-latitude field, 25-65 uT in total")
    earth_y_t: float = number(5e-6, unit="T", kind="cited", low=-1e-3, source="mid-latitude field, 25-65 uT in total")
    earth_z_t: float = number(-43e-6, unit="T", kind="cited", low=-1e-3, source="mid-latitude field, 25-65 uT in total")
    rest_xy_counts: float = number(
        32750.0, unit="counts", kind="cited", source="mean of a real right-hand frame (invokelshn/xela_apps)"
    )
    rest_z_counts: float = number(
        36500.0, unit="counts", kind="cited", source="mean of a real right-hand frame (invokelshn/xela_apps)"
    )
    rest_xy_spread_counts: float = number(
        280.0, unit="counts", kind="cited", source="x 275, y 297 over the taxels of that frame"
    )
    rest_z_spread_counts: float = number(790.0, unit="counts", kind="cited", source="793 over the taxels of that frame")
    gain_spread: float = number(0.08, unit="share", kind="guess", source=PROTOTYPE)
    noise_counts: float = number(
        2.0, unit="counts", kind="cited", source="uSPa44 at rest, 1.7 to 2.6 counts (matteogrisenti/Xela_uSP44)"
    )
    walk_counts: float = number(0.02, unit="counts per frame", kind="guess", source=PROTOTYPE)
    drift_counts_per_k: float = number(34.0, unit="counts/K", kind="cited", source=f"120 counts for 3.5 K ({SHEET})")
    warm_up_k: float = number(3.5, unit="K", kind="cited", source=f"3.5 K over 50 min ({SHEET})")
    warm_up_s: float = number(1000.0, unit="s", kind="fitted", low=1.0, source=f"95 % of it after 50 min ({SHEET})")
    dead_share: float = number(0.0, unit="share", kind="guess", high=1.0, source="a new kit; 2 of 368 in Sparsh-skin's")
    stuck_share: float = number(0.0, unit="share", kind="guess", high=1.0, source="a new kit has none")
    saturated_share: float = number(0.0, unit="share", kind="guess", high=1.0, source="a new kit has none")
    packet_loss: float = number(0.001, unit="per pad and scan", kind="guess", high=1.0, source="a bus that is not full")

    def check(self) -> None:
        """Raise ConfigError for a value outside its range, or one that is no number."""
        for entry in dataclasses.fields(self):
            value, low, high = getattr(self, entry.name), entry.metadata["low"], entry.metadata["high"]
            if not low <= value <= high:
                raise ConfigError(
                    f"skin parameter {entry.name}",
                    found=f"{value} {entry.metadata['unit']}",
                    allowed=f"{low} to {high}",
                )


def provenance() -> list[tuple[str, float, str, str, str]]:
    """Name, default, unit, kind and source of every parameter, in the order of the model."""
    standard = SkinParameters()
    return [
        (entry.name, getattr(standard, entry.name), *(entry.metadata[key] for key in ("unit", "kind", "source")))
        for entry in dataclasses.fields(standard)
    ]
