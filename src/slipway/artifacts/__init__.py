"""Files that several adapters read and write: model folders, rows files, and the content-addressed store.

The layer below adapters, which do not import one another, and above ports and domain. `mlmodel` is the only code that
parses an `MLmodel` file.
"""
