"""The simulated hand, skin and world, on the other side of the wire."""
