"""Sparsh-skin: windows, model, objective, trainer, probes."""
