"""Packages as images: a runtime image per set of dependencies, and each package as one thin layer on top of it."""
