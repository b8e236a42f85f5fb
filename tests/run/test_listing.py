"""``pinn list``: problems stand under the heading of their class."""

from pinn.problem.classes import CLASSES
from pinn.problem.language import read_problem
from pinn.run.listing import by_class, table


def problem(name, **keys):
    text = {
        "coordinates": {"x": [0, 1]},
        "unknowns": ["u"],
        "equations": {"e": "u_xx = 1"},
        "conditions": {"ends": {"at": "boundary", "u": 0}},
    }
    return read_problem({**text, **keys}, name)


def test_problems_stand_under_their_class_and_the_others_come_last():
    rows = by_class([problem("b"), problem("c", **{"class": "flow"}), problem("a", **{"class": "elliptic"})])
    assert [row[0] for row in rows] == [
        "name",
        "",
        f"elliptic: {CLASSES['elliptic']}",
        "a",
        "",
        "flow: fluids",
        "c",
        "",
        "others",
        "b",
    ]
    lines = table(rows).splitlines()
    assert len(lines) == len(rows) and lines[3].split() == ["a", "u", "x", "2", "no", "a"]
