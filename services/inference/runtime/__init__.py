"""Runs the model: which request when, with which runtime, on which device."""
