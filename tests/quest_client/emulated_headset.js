// Injected before the page's own scripts: an emulated Quest 3 whose right hand plays recorded rows, one per XR frame.
// IWER never loses a hand and never says null, so losing one is done by patching XRFrame, as the specification has it.
(() => {
  const device = new IWER.XRDevice(IWER.metaQuest3);
  device.installRuntime({ forceInstall: true });
  device.primaryInputMode = "hand";
  device.position.set(0, 1.5, 0.2);
  const emulated = { rows: [], frames: 0, lost: { left: false, right: false }, pinch: false, log: [], playing: false };
  window.emulated = emulated;
  window.emulatedDevice = device;

  const place = (hand, points) => {
    hand.position.set(0, 0, 0);
    hand.quaternion.set(0, 0, 0, 1);
    hand.updateHandPose = function () {
      [...this.inputSource.hand.values()].forEach((space, joint) => {
        const matrix = space[IWER.P_SPACE].offsetMatrix;
        matrix.fill(0);
        matrix[0] = matrix[5] = matrix[10] = matrix[15] = 1;
        points(joint).forEach((value, axis) => (matrix[12 + axis] = value));
        space[IWER.P_JOINT_SPACE].radius = 0.008;
      });
    };
  };
  const row = () => emulated.rows[Math.min(emulated.frames, emulated.rows.length - 1)];
  place(device.hands.right, (joint) => row()[joint]);
  // The left hand mirrors an open right hand; its middle finger meets the thumb while it pinches.
  place(device.hands.left, (joint) => {
    const [x, y, z] = emulated.rows[0][emulated.pinch && joint === 14 ? 4 : joint];
    return [-x - 0.1, y - 0.1, z];
  });

  const side = (spaces) => ([...device.hands.left.inputSource.hand.values()].includes([...spaces][0]) ? "left" : "right");
  const fillPoses = XRFrame.prototype.fillPoses;
  XRFrame.prototype.fillPoses = function (spaces, base, out) {
    if (emulated.lost[side(spaces)]) {
      out.fill(NaN);
      return false;
    }
    const known = fillPoses.call(this, spaces, base, out);
    if (side(spaces) === "right") {
      if (emulated.playing) emulated.log.push(emulated.frames);
      emulated.frames += 1;
    }
    return known;
  };
})();
