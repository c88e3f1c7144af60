/** One page for operators: `/` uses the browser's own headset, `/emulator` an emulated one. */

import "./style.css";

if (location.pathname === "/emulator") await import("./emulator/main");
await import("./headset/main");
