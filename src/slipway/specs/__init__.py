"""Release specs: the YAML documents that users write, read strictly; every error has its line."""

from slipway.specs.beginning import Draft, begin_spec
from slipway.specs.data import check_file
from slipway.specs.files import all_specs, check_spec, find_spec, format_path, load_spec, read_names, spec_files
from slipway.specs.problem import Problem
from slipway.specs.schema import make_schema, schema_text

__all__ = [
    "Draft",
    "Problem",
    "all_specs",
    "begin_spec",
    "check_file",
    "check_spec",
    "find_spec",
    "format_path",
    "load_spec",
    "make_schema",
    "read_names",
    "schema_text",
    "spec_files",
]
