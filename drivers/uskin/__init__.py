"""XELA uSkin magnetic skin."""
