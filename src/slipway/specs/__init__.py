"""Release specs: the YAML documents that users write, read strictly; every error has its line."""

from slipway.specs.beginning import Draft, begin_spec
from slipway.specs.data import check_file
from slipway.specs.files import all_specs, check_spec, find_spec, load_spec, names, shown, spec_files
from slipway.specs.problem import Problem
from slipway.specs.schema import schema, schema_text

__all__ = [
    "Draft",
    "Problem",
    "all_specs",
    "begin_spec",
    "check_file",
    "check_spec",
    "find_spec",
    "load_spec",
    "names",
    "schema",
    "schema_text",
    "shown",
    "spec_files",
]
