"""Fit the simulated skin to recordings of a real one: rest first, then presses. Needs only numpy."""
