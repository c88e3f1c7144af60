/** WebXR Hand Input's bulk read, which the published types do not have yet. */
interface XRFrame {
  fillPoses?(spaces: Iterable<XRSpace>, baseSpace: XRSpace, transforms: Float32Array): boolean;
}
