# ruff: noqa: E501 - a table: one line each
"""The scenarios: one line each. Seeds depend on the name, so a renamed scenario gets other traces."""

from benchmarks.decisions.scenario import Cycle, Metric, Scenario

E02, E2, E50, E2000 = 0.2, 2.0, 50.0, 2000.0
SLOW, LABELS, CLASSES, SCORES = Metric.SLOW, Metric.LABELS, Metric.CLASSES, Metric.SCORES

# fmt: off
SCENARIOS: tuple[Scenario, ...] = tuple(Scenario(**row) for row in (
    # 0.2 requests/s, 5 % errors
    {"name": "tiny-equal", "says": "equal", "requests_per_second": E02, "error_share": 0.05},
    {"name": "tiny-2x", "says": "twice the errors", "requests_per_second": E02, "error_share": 0.05, "ratio": 2, "tuned_on": True},
    {"name": "tiny-broken", "says": "fails on half of all", "requests_per_second": E02, "error_share": 0.05, "canary_share": 0.5},
    # 2 requests/s
    {"name": "small-equal", "says": "equal", "requests_per_second": E2},
    {"name": "small-2x", "says": "twice the errors", "requests_per_second": E2, "ratio": 2, "tuned_on": True},
    {"name": "small-5x", "says": "five times the errors", "requests_per_second": E2, "ratio": 5},
    {"name": "small-faulty-equal", "says": "equal", "requests_per_second": E2, "error_share": 0.05},
    {"name": "small-faulty-bursts", "says": "equal, bursts in each arm (CV 1)", "requests_per_second": E2, "error_share": 0.05, "bursts": 1.0},
    {"name": "small-faulty-2x", "says": "twice the errors", "requests_per_second": E2, "error_share": 0.05, "ratio": 2, "tuned_on": True},
    # 50 requests/s, no errors
    {"name": "spotless-equal", "says": "equal", "error_share": 0.0},
    {"name": "spotless-faults", "says": "fails on 0.5 % where stable never does", "error_share": 0.0, "canary_share": 0.005, "tuned_on": True},
    # 50 requests/s, 0.1 % errors
    {"name": "clean-equal", "says": "equal", "error_share": 0.001},
    {"name": "clean-bursts", "says": "equal, bursts in each arm (CV 0.5)", "error_share": 0.001, "bursts": 0.5},
    {"name": "clean-2x", "says": "twice the errors", "error_share": 0.001, "ratio": 2, "tuned_on": True},
    {"name": "clean-5x", "says": "five times the errors", "error_share": 0.001, "ratio": 5},
    # 50 requests/s, 0.5 % errors: every disturbance
    {"name": "equal", "says": "equal"},
    {"name": "daily", "says": "equal, daily drift of the error rate by half", "cycle": Cycle.DAILY},
    {"name": "hourly", "says": "equal, the error rate moves by half within the hour", "cycle": Cycle.HOURLY},
    {"name": "bursts-half", "says": "equal, bursts in each arm (CV 0.5)", "bursts": 0.5},
    {"name": "bursts-one", "says": "equal, bursts in each arm (CV 1)", "bursts": 1.0},
    {"name": "bursts-both", "says": "equal, the same bursts in both arms (CV 1)", "bursts": 1.0, "bursts_shared": True},
    {"name": "outage", "says": "equal, both arms fail on 40 % for five minutes", "outage": True},
    {"name": "stops", "says": "equal, traffic stops after ten minutes", "stops_at": 600},
    {"name": "1.2x", "says": "1.2 times the errors", "ratio": 1.2},
    {"name": "1.5x", "says": "1.5 times the errors", "ratio": 1.5},
    {"name": "2x", "says": "twice the errors", "ratio": 2, "tuned_on": True},
    {"name": "5x", "says": "five times the errors", "ratio": 5},
    {"name": "broken", "says": "fails on half of all", "canary_share": 0.5},
    {"name": "leak", "says": "errors grow from 1 to 5 times over the hour", "leak_to": 5.0},
    {"name": "bad-replica", "says": "one of four replicas fails five times as often", "ratio": (3 + 5) / 4},
    {"name": "2x-daily", "says": "twice the errors, daily drift", "ratio": 2, "cycle": Cycle.DAILY},
    {"name": "2x-bursts", "says": "twice the errors, bursts in each arm (CV 0.5)", "ratio": 2, "bursts": 0.5},
    {"name": "2x-outage", "says": "twice the errors, both arms fail on 40 % for five minutes", "ratio": 2, "outage": True},
    # gusts whose length nobody knows, and bursts of CV 1 beside a worse canary
    {"name": "gusts-two-minutes", "says": "equal, bursts of two minutes in each arm (CV 1)", "bursts": 1.0, "burst_minutes": 2, "figure": "false_rollback_gusts_unknown_length"},
    {"name": "gusts-pareto", "says": "equal, gusts of 4 times the errors in each arm, every 20 minutes, Pareto lengths from a minute", "pareto_gusts": True, "figure": "false_rollback_gusts_unknown_length"},
    {"name": "any-time", "says": "equal, bursts in each arm (CV 1) that begin within a minute", "bursts": 1.0, "bursts_any_time": True, "figure": "false_rollback_gusts_any_time"},
    {"name": "any-time-faulty", "says": "the same at 5 % errors", "error_share": 0.05, "bursts": 1.0, "bursts_any_time": True, "figure": "false_rollback_gusts_any_time"},
    {"name": "any-time-first", "says": "the same at 0.5 %, stable was watched for eleven minutes", "bursts": 1.0, "bursts_any_time": True, "history_minutes": 11, "shadow": False, "figure": "false_rollback_gusts_any_time"},
    {"name": "any-time-second", "says": "the same, stable is watched from the shadow on", "bursts": 1.0, "bursts_any_time": True, "history_minutes": 0, "figure": "false_rollback_gusts_any_time"},
    {"name": "2x-bursts-one", "says": "twice the errors, bursts in each arm (CV 1)", "ratio": 2, "bursts": 1.0, "figure": "promoted_cv1_2x"},
    {"name": "2x-bursts-one-hourly", "says": "twice the errors, bursts in each arm (CV 1), the error rate moves by half within the hour", "ratio": 2, "bursts": 1.0, "cycle": Cycle.HOURLY, "figure": "promoted_cv1_2x"},
    {"name": "2x-bursts-one-halves", "says": "twice the errors, bursts in each arm (CV 1), the error rate halves within half an hour", "ratio": 2, "bursts": 1.0, "base_to": 0.5, "figure": "promoted_cv1_2x"},
    # a model's second release: stable was watched for minutes, or never, or for the first time as the shadow begins
    {"name": "first-release", "says": "equal, bursts in each arm (CV 1), stable was watched for eleven minutes", "bursts": 1.0, "history_minutes": 11, "shadow": False, "figure": "false_rollback_first_release"},
    {"name": "first-release-faulty", "says": "the same at 5 % errors", "error_share": 0.05, "bursts": 1.0, "history_minutes": 11, "shadow": False, "figure": "false_rollback_first_release"},
    {"name": "second-release", "says": "equal, bursts in each arm (CV 1), stable is watched from the shadow on", "bursts": 1.0, "history_minutes": 0, "figure": "false_rollback_second_release"},
    {"name": "second-release-faulty", "says": "the same at 5 % errors", "error_share": 0.05, "bursts": 1.0, "history_minutes": 0, "figure": "false_rollback_second_release"},
    {"name": "never-watched", "says": "equal, bursts in each arm (CV 1), stable was never watched", "bursts": 1.0, "history_minutes": 0, "shadow": False, "figure": "false_rollback_never_watched"},
    {"name": "never-watched-faulty", "says": "the same at 5 % errors", "error_share": 0.05, "bursts": 1.0, "history_minutes": 0, "shadow": False, "figure": "false_rollback_never_watched"},
    # requests that depend on one another: repeats by one client, replicas that are cold, batches of rows
    {"name": "repeats-3", "says": "equal, a failed request is sent three times", "repeats": 3.0, "figure": "false_rollback_clusters"},
    {"name": "repeats-8", "says": "equal, a failed request is sent eight times", "repeats": 8.0, "figure": "false_rollback_clusters"},
    {"name": "big-repeats-8", "says": "equal, a failed request is sent eight times", "requests_per_second": E2000, "repeats": 8.0, "figure": "false_rollback_clusters"},
    {"name": "cold-2x", "says": "equal, replicas twice as slow for 20 s after a rise", "metric": SLOW, "cold_factor": 2.0, "figure": "false_rollback_cold_replicas"},
    {"name": "cold-3x", "says": "equal, replicas three times as slow for 20 s after a rise", "metric": SLOW, "cold_factor": 3.0, "figure": "false_rollback_cold_replicas"},
    {"name": "batches-scores", "says": "equal, ten rows that are alike in a request", "metric": SCORES, "rows": 10, "figure": "false_rollback_batches"},
    {"name": "batches-classes", "says": "equal, ten rows that are alike in a request", "metric": CLASSES, "rows": 10, "figure": "false_rollback_batches"},
    # what is no failure to a router
    {"name": "refusing", "says": "refuses every request, of which stable refuses 1 %", "metric": Metric.REFUSED, "canary_share": 1.0, "shadow": False, "figure": "refusing_canary_promoted", "many": True},
    {"name": "shedding", "says": "sheds a third of its requests", "metric": Metric.SHED, "canary_share": 1 / 3, "shadow": False, "figure": "shedding_canary_promoted", "many": True},
    # 50 requests/s, 5 % errors
    {"name": "faulty-equal", "says": "equal", "error_share": 0.05},
    {"name": "faulty-bursts", "says": "equal, bursts in each arm (CV 1)", "error_share": 0.05, "bursts": 1.0},
    {"name": "faulty-2x", "says": "twice the errors", "error_share": 0.05, "ratio": 2, "tuned_on": True},
    # 2,000 requests/s
    {"name": "big-equal", "says": "equal", "requests_per_second": E2000},
    {"name": "big-daily", "says": "equal, daily drift of the error rate by half", "requests_per_second": E2000, "cycle": Cycle.DAILY},
    {"name": "big-bursts", "says": "equal, bursts in each arm (CV 1)", "requests_per_second": E2000, "bursts": 1.0},
    {"name": "big-outage", "says": "equal, both arms fail on 40 % for five minutes", "requests_per_second": E2000, "outage": True},
    {"name": "big-1.2x", "says": "1.2 times the errors", "requests_per_second": E2000, "ratio": 1.2},
    {"name": "big-2x", "says": "twice the errors", "requests_per_second": E2000, "ratio": 2, "tuned_on": True},
    {"name": "big-clean-equal", "says": "equal", "requests_per_second": E2000, "error_share": 0.001},
    {"name": "big-clean-2x", "says": "twice the errors", "requests_per_second": E2000, "error_share": 0.001, "ratio": 2, "tuned_on": True},
    # latency: share of answers over the stable version's 95th percentile
    {"name": "slow-equal", "says": "equal", "metric": SLOW, "cycle": Cycle.DAILY},
    {"name": "slow-bursts", "says": "equal, bursts of slow answers in each arm (CV 0.5)", "metric": SLOW, "bursts": 0.5},
    {"name": "slow-10", "says": "every answer 10 % slower", "metric": SLOW, "latency_factor": 1.1},
    {"name": "slow-25", "says": "every answer 25 % slower", "metric": SLOW, "latency_factor": 1.25, "tuned_on": True},
    {"name": "slow-50", "says": "every answer 50 % slower", "metric": SLOW, "latency_factor": 1.5},
    # labels that come late
    {"name": "labels-equal", "says": "equal, labels come five minutes late", "metric": LABELS},
    {"name": "labels-2x", "says": "twice as many wrong answers, labels five minutes late", "metric": LABELS, "ratio": 2, "tuned_on": True},
    # numbers and classes that are predicted
    {"name": "scores-equal", "says": "equal, both arms' mean score drifts daily", "metric": SCORES, "cycle": Cycle.DAILY},
    {"name": "scores-0.1", "says": "mean score 0.1 standard deviations higher", "metric": SCORES, "score_shift": 0.1},
    {"name": "scores-0.3", "says": "mean score 0.3 standard deviations higher", "metric": SCORES, "score_shift": 0.3, "tuned_on": True},
    {"name": "classes-equal", "says": "equal, both arms' class mix drifts daily", "metric": CLASSES, "cycle": Cycle.DAILY},
    {"name": "classes-1.5x", "says": "a class is predicted for 15 % instead of 10 %", "metric": CLASSES, "ratio": 1.5, "tuned_on": True},
))
# fmt: on
