"""Prometheus reads what we write, whatever a label holds."""

from api.metrics import Labels, gauge


def test_a_gauge_is_explained_and_its_labels_are_escaped() -> None:
    samples: dict[Labels, float] = {
        (("provider", 'a "b"\\c\nd'), ("state", "ok")): 3,
        (("provider", "e"), ("state", "ok")): 0,
    }
    assert gauge("things", "How many there are.", samples).split("\n") == [
        "# HELP things How many there are.",
        "# TYPE things gauge",
        r'things{provider="a \"b\"\\c\nd",state="ok"} 3',
        'things{provider="e",state="ok"} 0',
        "",
    ]
