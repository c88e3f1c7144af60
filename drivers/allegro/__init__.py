"""Wonik Allegro hand over CAN."""
