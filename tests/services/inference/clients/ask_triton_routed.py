"""NVIDIA's client against a model behind a router, over gRPC: `ask_triton_routed.py ADDRESS MODEL`, two numbers' sum.

Runs in an environment of its own; what it saw goes to standard output as JSON.
"""

import json
import sys

import numpy as np
from tritonclient import grpc

address, model = sys.argv[1:]
headers = {"x-slipway-model": model}
with grpc.InferenceServerClient(address) as client:
    rows = grpc.InferInput("x", [1, 2], "FP32")
    rows.set_data_from_numpy(np.array([[1, 2]], dtype=np.float32))
    answer = client.infer(model, [rows], headers=headers)
    seen = {
        "live": client.is_server_live(headers=headers),
        "ready": client.is_model_ready(model, headers=headers),
        "sum": answer.as_numpy("prediction").reshape(1, 1).tolist(),
    }
print(json.dumps(seen))  # noqa: T201 - its output
