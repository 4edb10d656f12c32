"""The doors over gRPC: KServe's and Triton's Open Inference Protocol, TensorFlow Serving, and gRPC's own health.

Nothing here is imported before somebody asks for a port of gRPC: it takes as long as the rest of the service.
"""
