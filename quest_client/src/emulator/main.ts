/** An emulated Quest 3 for the operator's page, so that anybody can drive the simulated hand from a browser. */

import { XRDevice, metaQuest3 } from "iwer";
import { driveByMouse } from "./mouse";
import { shapeByKeys } from "./shapes";

const device = new XRDevice(metaQuest3);
// Chromium has a navigator.xr of its own that knows no headset; without force it would be kept.
device.installRuntime({ forceInstall: true });
device.primaryInputMode = "hand";
device.position.set(0, 1.5, 0.2);
driveByMouse(device);
if (device.hands.right) shapeByKeys(device.hands.right);
document.getElementById("headset-steps")!.hidden = true;
document.getElementById("emulator-steps")!.hidden = false;
