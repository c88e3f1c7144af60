"""Scripted atomic actions: a hand that works by itself, and a checker that knows only the truth."""
