"""Release specs as files: one YAML document per model in one folder."""

from pathlib import Path

from pydantic import ValidationError
from pydantic_core import to_json

from slipway.domain.spec.release import ReleaseSpec
from slipway.errors import NotFound, SpecError
from slipway.settings import settings
from slipway.specs import name_index
from slipway.specs.explaining import explain_errors, find_unknown_passes
from slipway.specs.problem import Problem
from slipway.specs.reading import ParsedDocument, read_document

SUFFIXES = (".yaml", ".yml")
INDEX = "cache/spec-names.json"
"""File in SLIPWAY_HOME: the model of each spec file."""


def load_spec(path: Path) -> ReleaseSpec:
    """Return a spec, its `data.path` absolute. Raises NotFound without a file, SpecError with all problems."""
    spec, problems = check_spec(path)
    if spec is None or problems:
        raise _make_spec_error(path, problems)
    return spec


def check_spec(path: Path) -> tuple[ReleaseSpec | None, list[Problem]]:
    """Return a spec and everything that is wrong with its document; None if it can't be used. Raises NotFound."""
    reading = read_spec_document(path)
    if reading.values is None:
        return None, reading.problems
    problems = sorted([*reading.problems, *find_unknown_passes(reading)])
    try:
        # strict, and as JSON: "60" is no number, but a path or a choice may be text
        spec = ReleaseSpec.model_validate_json(to_json(reading.values, inf_nan_mode="constants"), strict=True)
    except ValidationError as error:
        return None, sorted({*problems, *explain_errors(error, reading)})
    return (None if problems else _anchor_paths(spec, path)), problems


def find_spec(models: Path, model: str) -> tuple[Path, ReleaseSpec]:
    """Return the file and the spec of a model; other models' invalid specs are ignored.

    Raises NotFound with the models that have specs, SpecError for a broken spec or two specs of one model.
    """
    named = read_names(models)
    paths = [path for path, name in named.items() if name == model]
    if not paths:
        raise NotFound(
            f"release spec of model {model}",
            seen=f"none in {format_path(models)}",
            expected=_format_models(sorted(set(named.values()))),
            do=f"`slipway spec init --from-registry {model}` writes one",
        )
    if len(paths) > 1:
        raise SpecError(
            f"release spec of model {model}",
            seen=f"{len(paths)} files: {', '.join(path.name for path in paths)}",
            expected="one file per model",
            do="delete all but one, or correct `model:` in the others",
        )
    return paths[0], load_spec(paths[0])


def load_all_specs(models: Path) -> dict[Path, ReleaseSpec]:
    """Return every spec by file. Raises SpecError for the first broken one; a missing folder has none."""
    return {path: load_spec(path) for path in list_spec_files(models)}


def list_spec_files(models: Path) -> list[Path]:
    """Return the files in a folder that are read as specs, by name."""
    return sorted(path for path in models.glob("*") if path.suffix in SUFFIXES and path.is_file())


def read_names(models: Path) -> dict[Path, str]:
    """Return the model of each file: its `model:`, or the file's name if that can't be read.

    A file is read again only when it changed: names are kept in SLIPWAY_HOME, because every flow run is a new process.
    """
    return name_index.find_names(list_spec_files(models), settings().home / INDEX, _read_name)


def _read_name(path: Path) -> str:
    values = read_spec_document(path).values
    name = values.get("model") if values else None
    return name if isinstance(name, str) else path.stem


def format_path(path: Path) -> str:
    """Return a path for display: relative to the current folder if it is inside.

    >>> format_path(Path.cwd() / "deployments" / "models")
    'deployments/models'
    """
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)


def read_spec_document(path: Path) -> ParsedDocument:
    """Return a document's values and places. Raises NotFound."""
    try:
        return read_document(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        seen = f"byte {error.start + 1} is not UTF-8"
        return ParsedDocument(problems=[Problem(line=0, column=0, key="", seen=seen, expected="text in UTF-8")])
    except OSError as error:
        raise NotFound(
            f"release spec {format_path(path)}",
            seen=(error.strerror or "it can't be read").lower(),
            expected="a readable YAML file",
            do="check the path; `slipway spec init --from-registry MODEL` writes a spec",
        ) from error


def _anchor_paths(spec: ReleaseSpec, path: Path) -> ReleaseSpec:
    """Make `data.path` absolute: flows run in other folders."""
    data = spec.data.model_copy(update={"path": (path.absolute().parent / spec.data.path.expanduser()).resolve()})
    return spec.model_copy(update={"data": data})


def _make_spec_error(path: Path, problems: list[Problem]) -> SpecError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return SpecError(
        f"release spec {format_path(path)}",
        seen=f"{count}:\n" + "\n".join(f"  {problem}" for problem in problems) + "\n ",
        expected="a document that follows deployments/release-spec.schema.json",
        do=f"correct it and run `slipway spec check {format_path(path)}`",
    )


def _format_models(models: list[str]) -> str:
    return f"one of {', '.join(models)}" if models else "a spec per model, and the folder has none"
