import pytest
from multidict import MultiDict
from support.figures import empty

from stream_app.web.queries import BadParameterError, churn_spec, parse, retention_spec

SNAPSHOT = empty(dimensions=("plan", "country"))


def test_what_is_left_out_has_its_default():
    assert parse(retention_spec(20), MultiDict(), SNAPSHOT) == {
        "definition": "engagement",
        "grain": "day",
        "kind": "classic",
        "segment": None,
        "top": 20,
        "cohorts": None,
    }
    assert parse(churn_spec(5), MultiDict(), SNAPSHOT) == {
        "definition": "engagement",
        "segment": None,
        "days": 90,
        "top": 5,
    }


def test_what_is_given_is_taken():
    given = MultiDict(definition="repurchase", grain="month", kind="rolling", segment="country", top="3", cohorts="12")
    assert parse(retention_spec(20), given, SNAPSHOT) == {
        "definition": "repurchase",
        "grain": "month",
        "kind": "rolling",
        "segment": "country",
        "top": 3,
        "cohorts": 12,
    }


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("definition", "engagment", ["engagement", "repurchase"]),
        ("definition", "", ["engagement", "repurchase"]),
        ("grain", "hour", ["day", "week", "month"]),
        ("kind", "n-day", ["classic", "rolling"]),
        ("segment", "pro", ["plan", "country"]),
        ("top", "0", ["1 to 1000"]),
        ("top", "1001", ["1 to 1000"]),
        ("top", "-1", ["1 to 1000"]),
        ("top", "1.5", ["1 to 1000"]),
        ("top", "٣", ["1 to 1000"]),
        ("top", "9" * 5000, ["1 to 1000"]),
        ("cohorts", "", ["1 to 1000"]),
        ("grains", "day", ["definition", "grain", "kind", "segment", "top", "cohorts"]),
    ],
)
def test_a_wrong_one_is_named_with_what_would_be_right(name, value, allowed):
    with pytest.raises(BadParameterError) as caught:
        parse(retention_spec(20), MultiDict({name: value}), SNAPSHOT)
    error = caught.value.to_json()["error"]
    assert (error["parameter"], error["value"], error["allowed"]) == (name, value, allowed)
    assert error["message"]


def test_one_that_is_there_twice_is_refused():
    with pytest.raises(BadParameterError, match="grain: it is given more than once"):
        parse(retention_spec(20), MultiDict([("grain", "day"), ("grain", "week")]), SNAPSHOT)


def test_a_segment_where_no_dimension_is_configured():
    with pytest.raises(BadParameterError, match="none is configured"):
        parse(churn_spec(20), MultiDict(segment="plan"), empty(dimensions=()))
