"""The demo: four versions of one model travel from the registry into live traffic, and the story must go as told."""
