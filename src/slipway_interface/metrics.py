"""Names of the service's metrics, histogram edges, and the limits within which labels are counted apart."""

REQUESTS = "slipway_requests_total"
"""Answered inference requests, by protocol and status."""
ANSWERS = "slipway_answers_total"
"""The same, by what the response is to its client."""
RESCUED = "slipway_rescued_total"
"""Requests that another revision answered, by protocol and this revision's status."""
HELPED = "slipway_helped_total"
"""Requests meant for another revision that were answered here, by protocol and status."""
IN_FLIGHT = "slipway_requests_in_flight"
"""Requests that have arrived and are not answered."""
DURATION = "slipway_request_duration_seconds"
"""Histogram: from a request's arrival to its response."""
QUEUE = "slipway_queue_seconds"
"""Histogram: how long a run's first request waited."""
INFERENCE = "slipway_inference_seconds"
"""Histogram: one run of the model."""
BATCH_ROWS = "slipway_batch_rows"
"""Histogram: rows of one run."""
SCORES = "slipway_scores"
"""Summary of predicted scores."""
PREDICTIONS = "slipway_predictions_total"
"""Predicted classes, by label."""
WARM = "slipway_warm"
"""1 once runs take about as long as one another."""
MODEL_INFO = "slipway_model_info"
"""1 for the model that is loaded."""

EDGES_MILLISECONDS = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 100, 120, 150, 200, 250, 300),
    *(400, 500, 600, 700, 800, 1000, 1200, 1500, 2000, 3000, 5000, 7000, 10000, 15000, 20000, 30000, 60000),
)
"""Upper edges of the buckets of request durations. Two digits at most: Envoy's bins begin at such numbers, so its
counts at these edges are exact, and a duration counts alike wherever it was measured."""
LABEL_LIMIT = 100
"""Predicted labels that are counted apart; further ones count as OTHER_LABEL."""
OTHER_LABEL = "(other)"
LABEL_LENGTH = 64
"""Characters of a label that are kept."""
