"""Release specs: what is read, and how everything else is explained."""

import os
from pathlib import Path

import pytest

from slipway.domain.spec.release import ReleaseSpec
from slipway.domain.spec.serving import KubernetesServingSpec, LocalServingSpec
from slipway.errors import NotFound, SpecError
from slipway.specs import Problem, check_file, check_spec, find_spec, load_spec, read_names

GOOD = "model: digits\ndata:\n  path: rows.csv\n  label: digit\n"
STEPS = GOOD + "rollout:\n  steps:\n"


def written(folder: Path, text: str, name: str = "digits.yaml") -> Path:
    """Write a spec."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[Problem]:
    """Return what is wrong with a spec's text; it must be something."""
    spec, found = check_spec(written(folder, text))
    assert spec is None
    return found


def test_a_good_spec_is_read_with_its_data_path_absolute(tmp_path: Path) -> None:
    """Flows run in other folders than the spec's."""
    spec = load_spec(written(tmp_path, GOOD))

    assert isinstance(spec, ReleaseSpec)
    assert spec.data.path == tmp_path / "rows.csv"


def test_serving_is_chosen_by_its_platform(tmp_path: Path) -> None:
    """Without one its keys are those of Kubernetes, as in every spec that was written before there were platforms."""
    before = load_spec(written(tmp_path, f"{GOOD}serving: {{cpu: 2, capture_share: 0.5}}\n"))
    cluster = load_spec(written(tmp_path, f"{GOOD}serving: {{platform: kubernetes, cpu: 2, capture_share: 0.5}}\n"))
    here = load_spec(written(tmp_path, f"{GOOD}serving: {{platform: local, capture_share: 0.5}}\n"))

    assert before == cluster
    assert isinstance(cluster.serving, KubernetesServingSpec)
    assert here.serving == LocalServingSpec(platform="local", capture_share=0.5)
    assert here.serving.environment == cluster.serving.environment


@pytest.mark.parametrize(
    ("more", "place", "said"),
    [
        ("qualty: {}\n", (5, 1), ("an unknown key", "quality, conversion", "did you mean `quality`?")),
        ("steps: []\n", (5, 1), ("an unknown key", "rollout", "it belongs under `rollout`")),
        ("allow_pickle: yes\n", (5, 1), ('"yes"', "true or false", "write `true`")),
        ("judge:\n  alpha: 1\n", (6, 3), ("1", "a number over 0 and under 1", "")),
        ("judge: {alpha: '0.1'}\n", (5, 9), ('"0.1"', "a number over 0", "without quotes")),
        ("judge: {alpha: .nan}\n", (5, 9), ("NaN", "a number over 0", "")),
        (
            "judge: {errors: {margin: 2, tolerance: 1.5}}\n",
            (5, 9),
            ("margin 2.0 must be under", "values that agree", ""),
        ),
        ("rehearsal: {requests: 2.5}\n", (5, 13), ("2.5", "a whole number from 1 to 100000", "")),
        ("rehearsal: {p99_limit_milliseconds: 0}\n", (5, 13), ("0", "a number over 0 or null", "")),
        ("quality: {metric: acuracy}\n", (5, 11), ('"acuracy"', "accuracy, mean_absolute_error", "mean `accuracy`?")),
        ("rollout: {on_deadline: roll_back}\n", (5, 11), ('"roll_back"', "hold, roll-back", "mean `roll-back`?")),
        ("optimization: {variants: [grahp]}\n", (5, 27), ('"grahp"', "dynamic-int8, graph", "mean `graph`?")),
        ("optimization: {variants: [graph, Dynamic_Int8]}\n", (5, 34), ("Int8", "dynamic-int8", "`dynamic-int8`?")),
        ("optimization: {variants: [7]}\n", (5, 27), ("7", "one of dynamic-int8, graph", "")),
        ("optimization: {variants: graph}\n", (5, 16), ('"graph"', "a list; each item one of dynamic-int8", "")),
        ("rollout: {steps: []}\n", (5, 11), ("an empty list", "a list, at least 1", "")),
        ("serving: {platform: kubernetess}\n", (5, 11), ('"kubernetess"', "kubernetes, local", "mean `kubernetes`?")),
        ("serving: {platform: null}\n", (5, 11), ("null", "one of kubernetes, local", "")),
        ("serving: {platform: 7}\n", (5, 11), ("7", "one of kubernetes, local", "")),
        ("serving: {platform: local, cpu: 2}\n", (5, 28), ("an unknown key", "capture_share, platform", "")),
        ("serving: {cppu: 2}\n", (5, 11), ("an unknown key", "replicas, cpu, cpu_limit", "did you mean `cpu`?")),
        ("serving: {gpu: {count: 0}}\n", (5, 17), ("0", "a whole number from 1 to 16", "")),
        ("serving: {cpu: 2, cpu_limit: 1}\n", (5, 1), ("cpu_limit 1 is under cpu 2", "give at least as much", "")),
        ("serving: 7\n", (5, 1), ("7", "platform, replicas", "")),
        ("rollout: 7\n", (5, 1), ("7", "keys and values", "")),
        ("model: again\n", (5, 1), ("the key again (first in line 1)", "every key once", "drop one")),
    ],
)
def test_an_error_names_its_place_what_was_seen_and_what_is_allowed(
    tmp_path: Path, more: str, place: tuple[int, int], said: tuple[str, str, str]
) -> None:
    """One wrong thing, one problem."""
    seen, allowed, hint = said

    [problem] = problems(tmp_path, GOOD + more)

    assert (problem.line, problem.column) == place
    assert seen in problem.seen
    assert allowed in problem.expected
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("steps", "key", "seen"),
    [
        (["{weight_percent: 50, duration_seconds: 1}", "{weight_percent: 25, duration_seconds: 1}"],
         "rollout.steps[1].weight_percent", "25 after 50"),
        (["{weight_percent: 101, duration_seconds: 1}"], "rollout.steps[0].weight_percent", "101"),
        (["{weight_percent: 0, duration_seconds: 1}"], "rollout.steps[0].weight_percent", "0"),
        (["{weight_percent: 10, duration_seconds: 0}"], "rollout.steps[0].duration_seconds", "0"),
        (["{weight_percent: 10, duration_seconds: 5m}"], "rollout.steps[0].duration_seconds", '"5m"'),
    ],
)  # fmt: skip
def test_a_wrong_step_is_named_by_its_own_line(tmp_path: Path, steps: list[str], key: str, seen: str) -> None:
    """Weights that go down or past 100, steps of no time."""
    [problem] = problems(tmp_path, STEPS + "".join(f"    - {step}\n" for step in steps))

    assert problem.key == key
    assert problem.line == 6 + len(steps)
    assert seen in problem.seen


def test_a_pass_that_is_not_there_is_told_beside_other_problems(tmp_path: Path) -> None:
    """The domain checks the form of a name, the passes have the names: both kinds of problem are in one list."""
    found = problems(tmp_path, GOOD + "optimization: {variants: [graph, prune], rounds: 1}\n")

    assert [problem.key for problem in found] == ["optimization.variants[1]", "optimization.rounds"]


def test_all_problems_are_told_at_once_in_the_order_of_the_document(tmp_path: Path) -> None:
    """Syntax the reader takes and the schema does not, and the reverse, in one list."""
    found = problems(tmp_path, "model: Digits\ndata:\n  label: a\n  label: b\nrollout: {lease_seconds: 1}\n")

    assert [(problem.line, problem.key) for problem in found] == [
        (1, "model"),
        (2, "data.path"),
        (4, "data.label"),
        (5, "rollout.lease_seconds"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "seen"),
    [
        ("", 0, "nothing"),
        ("- model\n", 0, "a list"),
        ("digits\n", 0, "one value"),
        ("model: [\n", 2, "expected the node content"),
        ("model:\n\tdigits\n", 2, "cannot start any token"),
        ("model: a\n---\nmodel: b\n", 2, "another document"),
        ("model: &name digits\ndescription: *name\n", 2, "an alias"),
        ("[" * 60, 1, "nested too deeply"),
        ("model: \x01\n", 0, "special characters"),
        ("x: " + "1" * 1_000_001, 0, "1,000,004 characters"),
    ],
)
def test_text_that_is_no_spec_is_one_problem(tmp_path: Path, text: str, line: int, seen: str) -> None:
    """Bad YAML, or YAML of another kind."""
    [problem] = problems(tmp_path, text)

    assert problem.line == line
    assert seen in problem.seen


def test_a_tag_never_makes_an_object(tmp_path: Path) -> None:
    """`!!python/...` is a problem with a line, and nothing runs."""
    found = problems(tmp_path, GOOD + "description: !!python/object/apply:os.getcwd []\n")

    assert [problem.line for problem in found] == [5]


def test_bytes_that_are_no_text_are_a_problem(tmp_path: Path) -> None:
    """A binary file in the folder of specs."""
    path = tmp_path / "digits.yaml"
    path.write_bytes(b"model: \xff\n")

    [problem] = check_spec(path)[1]

    assert problem.seen == "byte 8 is not UTF-8"


def test_numbers_and_words_are_read_as_yaml_1_2_does(tmp_path: Path) -> None:
    """`1e-3` is a number; `no` and a date are text."""
    text = GOOD + "  expectations: [{column: a, allowed: [no, 2026-01-01, 010, true]}]\nconversion: {margin: 1e-3}\n"

    spec = load_spec(written(tmp_path, text))

    assert spec.data.expectations[0].allowed == ["no", "2026-01-01", "010", True]
    assert spec.conversion.margin == 0.001


def test_the_error_of_loading_holds_every_problem(tmp_path: Path) -> None:
    """Four parts: which file, all problems, what is expected, what to do."""
    path = written(tmp_path, GOOD + "a: 1\nb: 2\n")

    with pytest.raises(SpecError) as caught:
        load_spec(path)

    assert "2 problems" in caught.value.seen
    assert "line 5" in caught.value.seen
    assert "line 6" in caught.value.seen
    assert "slipway spec check" in caught.value.do


def test_a_model_is_found_by_its_name_not_by_its_file(tmp_path: Path) -> None:
    """And another model's broken spec is no hindrance."""
    path = written(tmp_path, GOOD, "any.yml")
    written(tmp_path, "model: other\ndata: 7\n", "other.yaml")
    written(tmp_path, "[", "broken.yaml")

    found, spec = find_spec(tmp_path, "digits")

    assert (found, spec.model) == (path, "digits")
    assert sorted(read_names(tmp_path).values()) == ["broken", "digits", "other"]


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    """What a file said before is not what it says now; the folder is looked through many times in one process."""
    written(tmp_path, GOOD)
    before = set(read_names(tmp_path).values())
    written(tmp_path, GOOD.replace("digits", "fraud"))

    assert (before, set(read_names(tmp_path).values())) == ({"digits"}, {"fraud"})


def test_looking_through_a_folder_again_reads_no_file_again(tmp_path: Path) -> None:
    """Each of many models that are due looks for its spec: a file of the same date and size is not opened again."""
    path = written(tmp_path, GOOD)
    before, dates = set(read_names(tmp_path).values()), path.stat()
    written(tmp_path, GOOD.replace("digits", "frauds"))
    os.utime(path, ns=(dates.st_atime_ns, dates.st_mtime_ns))

    assert (before, set(read_names(tmp_path).values())) == ({"digits"}, {"digits"})


def test_a_model_without_a_spec_is_not_found_and_the_others_are_listed(tmp_path: Path) -> None:
    """The reader sees what there is, and how to begin one."""
    written(tmp_path, GOOD)

    with pytest.raises(NotFound) as caught:
        find_spec(tmp_path, "fraud")

    assert caught.value.expected == "one of digits"
    assert "slipway spec init" in caught.value.do


def test_two_specs_of_one_model_are_refused(tmp_path: Path) -> None:
    """Neither is preferred."""
    written(tmp_path, GOOD, "a.yaml")
    written(tmp_path, GOOD, "b.yaml")

    with pytest.raises(SpecError, match=r"2 files: a\.yaml, b\.yaml"):
        find_spec(tmp_path, "digits")


def test_no_such_file_is_not_found(tmp_path: Path) -> None:
    """A mistyped path."""
    with pytest.raises(NotFound, match="no such file"):
        load_spec(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("rows", "line", "seen"),
    [(None, 3, "no such file"), ("a,b\n1,2\n", 4, "no column 'digit'"), ("", 4, "no column 'digit'")],
)
def test_checking_a_file_looks_at_its_rows_too(tmp_path: Path, rows: str | None, line: int, seen: str) -> None:
    """The file that is named must be there, with the label."""
    if rows is not None:
        (tmp_path / "rows.csv").write_text(rows)

    spec, [problem] = check_file(written(tmp_path, GOOD))

    assert spec is None
    assert (problem.line, problem.seen) == (line, seen)


def test_an_expectation_on_a_column_that_is_not_there_has_its_line(tmp_path: Path) -> None:
    """Misspelt columns are found before a release."""
    (tmp_path / "rows.csv").write_text("a,digit\n1,2\n")
    text = GOOD + "  expectations:\n    - {column: a, minimum: 0}\n    - {column: aa, minimum: 0}\n"

    _, [problem] = check_file(written(tmp_path, text))

    assert (problem.line, problem.key) == (7, "data.expectations[1].column")
