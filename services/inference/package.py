"""Where the package's model lies. Imports next to nothing: the supervisor reads it too, and stays in memory."""

from pathlib import Path

from slipway_interface.manifest import FOLDER

MODEL_FOLDER = Path(__file__).parents[2] / FOLDER
"""Beside the folder `services`."""
