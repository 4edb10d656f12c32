"""The servers: how each is started, and in which forms it is asked. Each has one worker and one thread of computing."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.serving.asking import Form, bento_json, oip_binary, oip_json
from benchmarks.serving.environments import SYSTEM_PYTHON, Environment
from benchmarks.serving.models import Model
from benchmarks.serving.processes import HOST, Command, free_port

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).with_name("peers")
OURS, LIMIT, CHECKED, EMPTY = "slipway", "bare_asgi", "checked_asgi", "empty_asgi"
FormMaker = Callable[[Model], Form]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of those compared."""

    name: str
    about: str
    command: Callable[[Model, Path], Command]
    """Lays out what it needs in an empty folder, and says how it is started."""
    forms: Sequence[FormMaker]
    versions: Callable[[], dict[str, str]]
    infers: bool = True
    """Its answers are the model's, and are checked."""


def ours(model: Model, folder: Path, workers: int = 1) -> Command:
    """Return our service, laid out as a package has it."""
    _lay_out(model, folder)
    port = free_port()
    words = [sys.executable, "-m", "services.inference", "--port", str(port), "--workers", str(workers)]
    return _command(words, folder, port)


def ours_with_grpc(model: Model, folder: Path) -> Command:
    """Return our service with a port for gRPC."""
    command, port = ours(model, folder), free_port()
    return replace(command, words=[*command.words, "--grpc-port", str(port)], grpc_port=port)


def ours_by_bentoml(model: Model, folder: Path) -> Command:
    """Return the same package, served by `bentoml serve`."""
    _lay_out(model, folder)
    port = free_port()
    bentoml = str(Path(sys.executable).with_name("bentoml"))
    words = [bentoml, "serve", "services.inference.service:Inference", "--host", HOST, "--port", str(port)]
    return _command(words, folder, port)


def _lay_out(model: Model, folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "services" / "inference", folder / "services" / "inference", ignore=ignored)
    shutil.copyfile(ROOT / "services" / "__init__.py", folder / "services" / "__init__.py")
    shutil.copytree(ROOT / "src" / "slipway_interface", folder / "slipway_interface", ignore=ignored)
    shutil.copytree(model.folder, folder / "model")


def _script(name: str, python: Callable[[], Path], *more: str, **environment: str) -> Callable[[Model, Path], Command]:
    def command(model: Model, folder: Path) -> Command:
        port = free_port()
        words = [str(python()), str(PEERS / f"{name}.py"), "--model", str(model.folder), "--port", str(port), *more]
        return _command(words, folder, port, **environment)

    return command


def _bentoml_api(model: Model, folder: Path) -> Command:
    port = free_port()
    for name in ("bento", "loaded"):
        shutil.copyfile(PEERS / f"{name}.py", folder / f"{name}.py")
    service = "Matrix" if len(model.rows) == 1 else "Table"
    bentoml = str(Path(sys.executable).with_name("bentoml"))
    words = [bentoml, "serve", f"bento:{service}", "--host", HOST, "--port", str(port)]
    return _command(words, folder, port, "/readyz", BENCH_MODEL=str(model.folder))


def _kserve_with_grpc(model: Model, folder: Path) -> Command:
    port = free_port()
    command = _script("kserve_server", lambda: KSERVE.python, "--grpc-port", str(port))(model, folder)
    return replace(command, grpc_port=port)


def _mlserver(model: Model, folder: Path) -> Command:
    port = free_port()
    python = MLSERVER.python
    settings = {
        "debug": False,
        "parallel_workers": 0,
        "host": HOST,
        "http_port": port,
        "grpc_port": free_port(),
        "metrics_port": free_port(),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    own = {
        "name": model.name,
        "implementation": "mlserver_runtime.OnnxModel",
        "parameters": {"version": "1", "uri": str(model.folder)},
    }
    (folder / "model-settings.json").write_text(json.dumps(own))
    words = [str(python.with_name("mlserver")), "start", "."]
    return _command(words, folder, port, PYTHONPATH=str(PEERS))


def _triton(model: Model, folder: Path) -> Command:
    port, grpc_port = free_port(), free_port()
    python = TRITON.python
    words = [
        *(str(python), str(PEERS / "pytriton_server.py"), "--model", str(model.folder), "--port", str(port)),
        *("--grpc-port", str(grpc_port), "--metrics-port", str(free_port())),
    ]
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    command = _command(words, folder, port, f"/v2/models/{model.name}/ready", PATH=path)
    return replace(command, grpc_port=grpc_port)


def _command(
    words: Sequence[str], folder: Path, port: int, ready: str = "/v2/health/ready", **environment: str
) -> Command:
    own = {"BENTOML_HOME": str(folder / "home"), **environment}
    return Command(words=words, folder=folder, port=port, ready=ready, environment=own)


def _own_versions(*names: str) -> Callable[[], dict[str, str]]:
    from importlib.metadata import version

    return lambda: {name: version(name) for name in names}


def _here() -> Path:
    return Path(sys.executable)


MLSERVER, KSERVE = Environment(name="mlserver"), Environment(name="kserve")
TRITON = Environment(name="triton", base=SYSTEM_PYTHON)
SERVERS = (
    Server(
        name=OURS,
        about="`python -m services.inference --workers 1`",
        command=ours,
        forms=(oip_json, oip_binary),
        versions=_own_versions("slipway", "uvicorn", "onnxruntime-gpu", "numpy", "orjson"),
    ),
    Server(
        name=LIMIT,
        about="an ASGI function on uvicorn (uvloop, httptools), orjson, ONNX Runtime",
        command=_script("bare", _here),
        forms=(oip_json, oip_binary),
        versions=_own_versions("uvicorn", "uvloop", "httptools"),
    ),
    Server(
        name=CHECKED,
        about="the same, with our own parsing, checks and writing: what our server around them adds",
        command=_script("checked", _here, PYTHONPATH=str(ROOT)),
        forms=(oip_json, oip_binary),
        versions=dict,
    ),
    Server(
        name=EMPTY,
        about="the same uvicorn, which answers `{}` to everything: no model, no parsing",
        command=_script("bare", _here, "--empty"),
        forms=(oip_json,),
        versions=dict,
        infers=False,
    ),
    Server(
        name="fastapi",
        about="FastAPI with pydantic models, async",
        command=_script("fast", _here),
        forms=(oip_json,),
        versions=_own_versions("fastapi", "pydantic"),
    ),
    Server(
        name="bentoml_api",
        about="BentoML, a class with an `@api`",
        command=_bentoml_api,
        forms=(bento_json,),
        versions=_own_versions("bentoml"),
    ),
    Server(
        name="mlserver",
        about="MLServer with a runtime class, no parallel workers",
        command=_mlserver,
        forms=(oip_json,),
        versions=lambda: MLSERVER.versions("mlserver", "onnxruntime", "uvicorn", "fastapi"),
    ),
    Server(
        name="kserve",
        about="KServe's Python server with a model class",
        command=_script("kserve_server", lambda: KSERVE.python),
        forms=(oip_json, oip_binary),
        versions=lambda: KSERVE.versions("kserve", "onnxruntime", "uvicorn", "fastapi"),
    ),
    Server(
        name="triton",
        about="Triton through PyTriton, dynamic batching",
        command=_triton,
        forms=(oip_json, oip_binary),
        versions=lambda: TRITON.versions("nvidia-pytriton", "onnxruntime"),
    ),
)
GRPC: dict[str, Callable[[Model, Path], Command]] = {
    OURS: ours_with_grpc,
    "kserve": _kserve_with_grpc,
    "triton": _triton,
}
"""The same servers with a port for gRPC, by name."""
