"""Rollouts played through the real state machine where the order of its phases decides as much as the evidence does.

What begins after promotion, steps of a minute each, pods that are scraped each at its own time:
`python -m benchmarks.decisions.played.figures FIGURE COUNT` plays so many rollouts of each of a figure's worlds.
"""
