"""Converters, one file for each flavor of MLflow."""
