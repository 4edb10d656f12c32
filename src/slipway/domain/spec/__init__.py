"""The documents that users write: what to release, how traffic moves, how sure the judge must be."""
