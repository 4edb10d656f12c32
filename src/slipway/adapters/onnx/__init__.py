"""ONNX and ONNX Runtime: conversion of models, faster variants, measurements.

Model files are untrusted, and the libraries that read them are slow to import: both stay in workers, processes of their
own. Only `session` runs in the caller's process, on files that these workers made.
"""
