"""A release: the version, its record and history, and what is decided between releases."""
