"""The teleoperation server: operator socket, retargeting, safety, pages."""
