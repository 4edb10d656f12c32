"""A release: the version, its record and history, and the decisions between releases."""
