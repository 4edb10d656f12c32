"""The demo: four versions of one model are released from the registry to live traffic, with expected results."""
