"""The protocols over gRPC: KServe's and Triton's Open Inference Protocol, TensorFlow Serving, and gRPC's own health.

Imported only if a gRPC port is configured, because protobuf and the message classes are slow to import.
"""
