"""Faster forms of a model: what was converted, what was measured, which one ships."""
