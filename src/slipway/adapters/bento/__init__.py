"""Packages as Bentos: built, started and tried. Knows BentoML; nothing else in Slipway does."""
