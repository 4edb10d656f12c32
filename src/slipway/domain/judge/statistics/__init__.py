"""The statistics behind verdicts: evidence that may be checked after every scrape, one module per kind of metric."""
