"""A parametric operator: a human hand model and the motions that it plays where nobody wears a headset."""
