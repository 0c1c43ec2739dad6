import pytest

from dh_project.common.errors import UserError
from dh_project.common.key_values import parse_key_values


def test_values_have_the_type_they_look_like():
    words = [
        "epochs=2",
        "lr=1e-3",
        "rate=0.5",
        "data=a/b.tar",
        "flag=true",
        "ratios=[0.6, 0.4]",
        "label=null",
        "x=",
    ]
    assert parse_key_values(words) == {
        "epochs": 2,
        "lr": 1e-3,
        "rate": 0.5,
        "data": "a/b.tar",
        "flag": True,
        "ratios": [0.6, 0.4],
        "label": None,
        "x": None,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60:20:20", "60:20:20"),
        ("011", 11),
        ("0o11", 9),
        ("0x1F", 31),
        ("No", "No"),
        ("off", "off"),
        ("1_000", "1_000"),
        ("+3", 3),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("None", None),
        ("{a: yes, b: [~, 1E3]}", {"a": "yes", "b": [None, 1000.0]}),
        ("'2'", "2"),
        ("<<", "<<"),
    ],
)
def test_values_follow_the_core_schema_of_yaml_1_2(text, value):
    [read] = parse_key_values([f"key={text}"]).values()
    assert (read, type(read)) == (value, type(value))


def test_a_path_that_begins_like_a_number_stays_text():
    assert parse_key_values(["data=../shared", "tag=2nd", "day=2026-11-21"]) == {
        "data": "../shared",
        "tag": "2nd",
        "day": "2026-11-21",
    }


@pytest.mark.parametrize("words", [["epochs"], ["=2"], ["a b=2"], ["a=1", "a=2"], ["a=[1"], ["a=.nan"]])
def test_what_is_no_key_value_pair_is_refused(words):
    with pytest.raises(UserError):
        parse_key_values(words)


@pytest.mark.parametrize("text", ["none", "None", "null", "Null", "NONE"])
def test_none_and_null_are_none(text):
    assert parse_key_values([f"patience={text}"]) == {"patience": None}


def test_a_quoted_none_is_a_text():
    assert parse_key_values(["label='none'"]) == {"label": "none"}
