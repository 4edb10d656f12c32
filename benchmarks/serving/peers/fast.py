"""FastAPI as its documentation shows it: pydantic models for what comes and what goes, an async function, uvicorn."""

import argparse
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from loaded import DATATYPES, Loaded
from pydantic import BaseModel

Values = list[int] | list[float] | list[str]


class Tensor(BaseModel):
    """A tensor of the Open Inference Protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: Values


class Asked(BaseModel):
    """A request."""

    inputs: list[Tensor]


class Answered(BaseModel):
    """An answer."""

    model_name: str
    model_version: str
    outputs: list[Tensor]


def application(model: Loaded) -> FastAPI:
    """Return the application."""
    app = FastAPI()

    @app.get("/v2/health/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post(f"/v2/models/{model.name}/infer")
    async def infer(asked: Asked) -> Answered:
        outputs = [
            Tensor(
                name=name, shape=list(values.shape), datatype=DATATYPES[values.dtype.name], data=values.ravel().tolist()
            )
            for name, values in model.run({tensor.name: tensor.data for tensor in asked.inputs}).items()
        ]
        return Answered(model_name=model.name, model_version="1", outputs=outputs)

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    uvicorn.run(
        application(Loaded(asked.model)),
        port=asked.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
