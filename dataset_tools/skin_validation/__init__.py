"""How far is a simulated recording of the skin from a real one? Figures, never a verdict. Needs only numpy."""
