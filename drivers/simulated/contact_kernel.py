"""What presses on the skin, compiled: the same sums as `SkinContact`, straight from the engine's own arrays.

Most of MuJoCo's arrays stay where they are for the life of an MjData; the list of contacts and the constraint forces
do not, so their addresses are asked for at every reading.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_char, c_double, c_int64, c_void_p

import mujoco
import numpy as np

from drivers.simulated.skin.ambient import PadPoses
from drivers.simulated.skin.footprint import SHAPES, Footprint
from drivers.simulated.skin.library import skin_library
from drivers.simulated.skin.magnetic_skin import MagneticSkin
from drivers.simulated.skin.pad_grid import PadGrid
from drivers.simulated.skin_contact import SHAPE_OF_GEOM, SkinContact, SkinTruth, pads_of_geoms
from skin_teleop.errors import ConfigError
from skin_teleop.messages import N_PADS, N_TAXELS
from skin_teleop.skin_layout import SkinLayout
from skin_teleop.transforms import Array

MOST = 30
PAIR_BYTES = 9 * 8
"""Size of a Pair of contact.h."""
CONTACTS = np.dtype(
    [
        ("body", "<i8", N_PADS),
        ("count", "<i8", N_PADS),
        ("to_link", "<f8", (N_PADS, 3, 3)),
        ("origin_m", "<f8", (N_PADS, 3)),
        ("taxel_m", "<f8", (N_PADS, MOST, 3)),
        ("reach_m", "<f8", (N_PADS, MOST)),
        ("sigma_m", "<f8", N_PADS),
        ("wrench", "<f8", (N_PADS, 6)),
        ("slip", "<f8", N_PADS),
        ("pressure", "<f8", N_PADS),
        ("time_s", "<f8"),
        ("pairs", "<i8"),
    ]
)
"""What contact.h calls Contacts, field by field."""
MOVING = ("xpos", "xmat", "cvel", "subtree_com", "geom_xpos", "geom_xmat")
OF_CONTACT = ("pos", "frame", "dim", "geom", "efc_address")


class _Engine(ctypes.Structure):
    """What contact.h calls Engine."""

    _fields_ = [
        *((name, c_void_p) for name in (*MOVING, "geom_size", "geom_bodyid", "body_rootid")),
        ("pad_of_geom", c_void_p),
        ("shape_of_geom", c_void_p),
        ("stride", c_int64),
        *((name, c_int64) for name in OF_CONTACT),
    ]


class CompiledContact:
    """Notes contacts after physics steps (`read`) and gives their mean (`take`) once per skin period."""

    def __init__(
        self,
        library: ctypes.CDLL,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        layout: SkinLayout,
        grid: PadGrid,
        footprint: Footprint,
    ) -> None:
        self._data = data
        self._note, self._take = library.note_contacts, library.take_forces
        self._note.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_double]
        self._contacts = np.zeros((), CONTACTS)
        self._contacts["body"] = [model.body(pad.link).id for pad in layout.pads]
        self._contacts["count"] = grid.is_taxel.sum(1)
        self._contacts["to_link"] = [pad.rotation for pad in layout.pads]
        self._contacts["origin_m"] = [pad.position_m for pad in layout.pads]
        self._contacts["taxel_m"] = grid.position_m
        self._contacts["reach_m"], self._contacts["sigma_m"] = footprint.reach_m, footprint.sigma_m
        self._pairs = ctypes.create_string_buffer(PAIR_BYTES * N_PADS * model.ngeom)
        self._pad_of_geom, self._shape_of_geom = pads_of_geoms(model, layout), _shapes(model)
        self._engine = self._engine_of(model)
        self._force_n, self._wrench = np.zeros((N_TAXELS, 3)), np.zeros((N_PADS, 6))
        self._slip, self._turn = np.zeros(N_PADS), np.zeros((N_PADS, 3, 3))
        self._position_m = np.zeros((N_PADS, 3))
        self._at, *self._taken_at = (
            c_void_p(buffer.ctypes.data)
            for buffer in (self._contacts, self._force_n, self._wrench, self._slip, self._turn, self._position_m)
        )

    def _engine_of(self, model: mujoco.MjModel) -> _Engine:
        """Where the engine keeps what never moves in memory."""
        engine = _Engine()
        fixed = {name: getattr(self._data, name) for name in MOVING}
        fixed |= {name: getattr(model, name) for name in ("geom_size", "geom_bodyid", "body_rootid")}
        fixed |= {"pad_of_geom": self._pad_of_geom, "shape_of_geom": self._shape_of_geom}
        for name, array in fixed.items():
            setattr(engine, name, array.ctypes.data)
        return engine

    def _measure_contacts(self) -> None:
        """Learn from the engine's own views where the fields of a contact are."""
        contact = self._data.contact
        start = contact.dist.ctypes.data
        self._engine.stride = contact.pos.strides[0]
        for name in OF_CONTACT:
            setattr(self._engine, name, getattr(contact, name).ctypes.data - start)

    def read(self, dt_s: float = 1.0) -> None:
        """Note the contacts of the last physics step, which stand for `dt_s`."""
        data = self._data
        count = data.ncon
        if not count:
            self._note(self._at, self._pairs, byref(self._engine), None, 0, None, dt_s)
            return
        if not self._engine.stride:
            self._measure_contacts()
        first = byref(c_char.from_buffer(data.contact[0].pos), -self._engine.pos)
        solved = byref(c_char.from_buffer(data.efc_force)) if data.nefc else None
        self._note(self._at, self._pairs, byref(self._engine), first, count, solved, dt_s)

    def take(self) -> SkinTruth:
        """The mean since the last call; all zero when nothing was touched. Raises ConfigError as `SkinContact` does."""
        if self._take(self._at, self._pairs, byref(self._engine), *self._taken_at):
            raise ConfigError("the signed distance of a 'mesh' was asked for", allowed=", ".join(SHAPES))
        poses = PadPoses(self._turn.copy(), self._position_m.copy())
        return SkinTruth(self._force_n.copy(), self._wrench.copy(), self._slip.copy(), poses)


def skin_contact(
    model: mujoco.MjModel, data: mujoco.MjData, layout: SkinLayout, skin: MagneticSkin
) -> CompiledContact | SkinContact:
    """What notes the contacts of a skin: compiled where that is possible, else in numpy."""
    library = skin_library()
    parts = (model, data, layout, skin.grid, skin.footprint)
    return CompiledContact(library, *parts) if library is not None else SkinContact(*parts)


def _shapes(model: mujoco.MjModel) -> Array:
    """(ngeom,) place of each geom's shape in SHAPES; -1 for one without a signed distance."""
    names = [SHAPE_OF_GEOM.get(kind) for kind in model.geom_type.tolist()]
    return np.array([SHAPES.index(name) if name else -1 for name in names], np.int64)
