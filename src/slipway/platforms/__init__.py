"""Targets: one file for each builds what stands behind the ports there."""
