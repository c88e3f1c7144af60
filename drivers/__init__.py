"""Drivers: wire codecs, transports, the hand and skin nodes, and the simulated devices at the wire."""
