"""Rankings: which jobs are one setting, by which score, in which order, and how that reads."""

from __future__ import annotations

import statistics

import pytest

from caffe64.errors import UsageError
from caffe64.jobs.ranking import Ranking
from caffe64.jobs.records import record_of
from caffe64.jobs.table import number, plain, ranking_table, settings_data

LONG = "inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce"


def record(result, seconds=1.0, **job):
    return record_of(job, {"result": result, "run": {"seconds": seconds, "host": "h"}})


def failed(kind, **job):
    error = {"type": kind, "message": "m", "exit_code": 5}
    return record_of(job, {"error": error, "run": {"seconds": 0.1, "host": "h"}})


def ranking(*records, **options) -> Ranking:
    made = Ranking([each["job"] for each in records], **options)
    made.add_all(records)
    return made


FOLDS = [
    record({"loss": rate + fold / 10, "validation_accuracy": rate + fold / 100}, rate=rate, fold=fold, seed=seed, x="X")
    for rate in (0.1, 0.3, 0.2)
    for fold in (0, 1)
    for seed in (0, 1)
]


def test_jobs_that_differ_in_fold_and_seed_are_one_setting():
    made = ranking(*FOLDS, failed("Diverged", rate=0.1, fold=2, seed=0, x="X"))
    assert made.fields == ["rate"]
    settings = made.ranked(made.best_score())
    assert [setting.values["rate"] for setting in settings] == [0.3, 0.2, 0.1]
    assert settings[0].mean("validation_accuracy") == pytest.approx(0.305)
    assert settings[0].spread("validation_accuracy") == pytest.approx(statistics.stdev([0.3, 0.3, 0.31, 0.31]))
    assert (settings[2].error, len(settings[2].records)) == ("Diverged", 5)


def test_each_job_by_itself():
    made = ranking(*FOLDS, each=True)
    assert made.fields == ["rate", "fold", "seed"]
    assert len(made.ranked("loss")) == 12


@pytest.mark.parametrize(
    ("result", "best"),
    [
        ({"loss": 1, "validation_loss": 1, "validation_accuracy": 1}, "validation_accuracy"),
        ({"loss": 1, "validation_loss": 1}, "validation_loss"),
        ({"iterations": 9, "loss": 1, "test_loss": 1, "test_accuracy": 1}, "test_accuracy"),
        ({"iterations": 9, "loss": 1, "test0_loss": 1, "test1_top5_accuracy": 1}, "test1_top5_accuracy"),
        ({"iterations": 9, "loss": 1, "test_loss": 1, "test_mAP": 1}, "test_loss"),
        ({"loss": 1, "weights": "abc"}, "loss"),
    ],
)
def test_the_score_that_ranks(result, best):
    made = ranking(record(result, a=1))
    assert made.best_score() == best
    assert "weights" not in made.score_names


def test_losses_are_best_low_and_other_scores_high_unless_it_is_said():
    records = [record({"loss": value, "test_mAP": value}, a=value) for value in (2, 1, 3)]
    made = ranking(*records)
    assert [setting.values["a"] for setting in made.ranked("loss")] == [1, 2, 3]
    assert [setting.values["a"] for setting in made.ranked("test_mAP")] == [3, 2, 1]
    assert [setting.values["a"] for setting in made.ranked("test_mAP", lowest=True)] == [1, 2, 3]
    assert [setting.values["a"] for setting in made.ranked("loss", lowest=False)] == [3, 2, 1]


def test_settings_without_the_score_are_last():
    records = [failed("Diverged", a=1), record({"loss": None}, a=2), record({"loss": 5.0}, a=3)]
    assert [setting.values["a"] for setting in ranking(*records).ranked("loss")] == [3, 1, 2]


def test_a_score_that_there_is_not():
    made = ranking(*FOLDS)
    with pytest.raises(UsageError, match="'lost' is not a score of these results"):
        made.check_score("lost")
    assert made.check_score("seconds") == "seconds"
    assert ranking(failed("Diverged", a=1)).best_score() == ""


def test_the_table():
    records = [
        record({"loss": 0.5}, 2.0, net=LONG, a=0.001, flag=True, seed=0),
        record({"loss": 0.7}, 4.0, net=LONG, a=0.001, flag=True, seed=1),
        record({"loss": 0.25}, 1.0, net="inp 6 10 / sce and more", a=10, flag=False, seed=0),
        failed("Diverged", net=LONG, a=10, flag=False, seed=0),
    ]
    table, lines = ranking_table(ranking(*records), "loss")
    assert table.lines == [
        "net      a   flag  jobs      loss       ±  seconds",
        " #2     10  false     1    0.2500       -   1.0000",
        " #1  0.001   true     2    0.6000  0.1414   3.0000",
        " #1     10  false   0/1  Diverged       -   0.1000",
    ]
    assert lines == [f"net #1: {LONG}", "net #2: inp 6 10 / sce and more"]
    table, lines = ranking_table(ranking(*records), "loss", most=1)
    assert (len(table.rows), lines) == (1, ["net #2: inp 6 10 / sce and more"])


def test_values_and_scores_are_short():
    assert [plain(value) for value in (None, True, 0.1, 1e-5, 3, "a", [1, 2])] == [
        "-",
        "true",
        "0.1",
        "1e-05",
        "3",
        "a",
        "1,2",
    ]
    assert [number(value) for value in (None, 0.12345, 0, 1234.5, 1e-6)] == ["-", "0.1235", "0", "1234", "1e-06"]


def test_settings_for_json():
    made = ranking(*FOLDS)
    data = settings_data(made.ranked("loss"), made.score_names)
    assert data[0]["setting"] == {"rate": 0.1}
    assert data[0]["jobs"] == 4
    assert data[0]["scores"]["loss"] == pytest.approx(0.15)
    assert data[0]["spread"]["loss"] == pytest.approx(statistics.stdev([0.1, 0.1, 0.2, 0.2]))
