"""Slipway takes each new model version from MLflow to production traffic, and takes it back when it misbehaves."""

__version__ = "0.1.0"
