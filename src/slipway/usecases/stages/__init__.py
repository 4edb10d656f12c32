"""The stages of a release before any traffic: observe through ports, decide in the domain, act through ports."""
