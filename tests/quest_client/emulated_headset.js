// Injected before the page's own scripts: an emulated Quest 3 whose right hand plays recorded rows, one per XR frame.
// IWER never loses a hand and never says null, so losing one is done by patching XRFrame, as the specification has it.
(() => {
  const device = new IWER.XRDevice(IWER.metaQuest3);
  device.installRuntime({ forceInstall: true });
  device.primaryInputMode = "hand";
  device.position.set(0, 1.5, 0.2);
  // `frames` counts what was played: a row is repeated until `rowMs` have passed, so that no machine plays it too fast.
  const emulated = { rows: [], frames: 0, rowMs: 0, lost: { left: false, right: false }, pinch: false, log: [], playing: false };
  window.emulated = emulated;
  window.emulatedDevice = device;

  // The first twelve numbers of the column-major matrix of a unit quaternion xyzw.
  const rotation = ([x, y, z, w]) => [
    1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y), 0,
    2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x), 0,
    2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y), 0,
  ];
  const place = (hand, points) => {
    hand.position.set(0, 0, 0);
    hand.quaternion.set(0, 0, 0, 1);
    hand.updateHandPose = function () {
      [...this.inputSource.hand.values()].forEach((space, joint) => {
        const matrix = space[IWER.P_SPACE].offsetMatrix;
        const [x, y, z, ...turn] = points(joint);
        matrix.set(rotation(turn.length === 4 ? turn : [0, 0, 0, 1]));
        matrix.set([x, y, z, 1], 12);
        space[IWER.P_JOINT_SPACE].radius = 0.008;
      });
    };
  };
  const row = () => emulated.rows[Math.min(emulated.frames, emulated.rows.length - 1)];
  place(device.hands.right, (joint) => row()[joint]);
  // Rows are 25 joints of position, or of position and quaternion. The left hand mirrors an open right hand; its middle finger meets the thumb while it pinches.
  place(device.hands.left, (joint) => {
    const [x, y, z] = emulated.rows[0][emulated.pinch && joint === 14 ? 4 : joint];
    return [-x - 0.1, y - 0.1, z];
  });

  const side = (spaces) => ([...device.hands.left.inputSource.hand.values()].includes([...spaces][0]) ? "left" : "right");
  let due = 0;
  const fillPoses = XRFrame.prototype.fillPoses;
  XRFrame.prototype.fillPoses = function (spaces, base, out) {
    if (emulated.lost[side(spaces)]) {
      out.fill(NaN);
      return false;
    }
    const known = fillPoses.call(this, spaces, base, out);
    if (side(spaces) === "right") {
      if (emulated.playing) emulated.log.push(emulated.frames);
      if (performance.now() >= due) {
        emulated.frames += 1;
        due = performance.now() + emulated.rowMs;
      }
    }
    return known;
  };
})();
