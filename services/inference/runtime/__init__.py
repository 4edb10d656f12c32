"""Running a model: which request when, by what, on which device."""
