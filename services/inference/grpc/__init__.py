"""The doors over gRPC: KServe's and Triton's Open Inference Protocol, TensorFlow Serving, and gRPC's own health.

Nothing here is imported before somebody asks for a port of gRPC: protobuf and the messages' classes take their time.
"""
