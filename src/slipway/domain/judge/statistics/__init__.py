"""The statistics behind verdicts: evidence that may be looked at after every scrape, one module per kind of metric."""
