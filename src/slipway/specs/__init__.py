"""Release specs: the YAML documents that users write, read strictly; every error has its line."""

from slipway.specs.beginning import Draft, begin_spec
from slipway.specs.data import check_file
from slipway.specs.files import (
    check_spec,
    find_spec,
    format_path,
    list_spec_files,
    load_all_specs,
    load_spec,
    read_names,
)
from slipway.specs.problem import Problem
from slipway.specs.schema import format_schema, make_schema

__all__ = [
    "Draft",
    "Problem",
    "begin_spec",
    "check_file",
    "check_spec",
    "find_spec",
    "format_path",
    "format_schema",
    "list_spec_files",
    "load_all_specs",
    "load_spec",
    "make_schema",
    "read_names",
]
