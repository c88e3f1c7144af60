"""The skin that a rig's world asks for: the standard one, or one that was fitted to recordings."""

from __future__ import annotations

from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.parameter_file import load_skin_file
from drivers.simulated.skin.parameters import SkinParameters
from skin_teleop.rig import WorldConfig
from skin_teleop.skin_layout import SkinLayout


def rig_skin(
    layout: SkinLayout, config: WorldConfig, parameters: SkinParameters | None = None, noise_seed: int | None = None
) -> MagneticSkin:
    """Parameters that are given win over the rig's skin file; raises ConfigError for a file that cannot be used."""
    if parameters or not config.skin_parameters:
        return MagneticSkin(layout, config.seed, parameters, noise_seed)
    file = load_skin_file(config.skin_parameters, layout.name)
    return MagneticSkin(layout, config.seed, file.skin_parameters(), noise_seed, file.measured_taxels())
