"""Passes, one file for each faster form of an ONNX model."""
