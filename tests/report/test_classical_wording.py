import pytest
from report_runs import build_run

from pinn.report.folder import RunData
from pinn.report.frontier import frontier_figures
from pinn.report.wording import classical_sentences, network_error

LINE = {"order": "order 4", "grid": 16, "seconds": 0.5, "error": 2e-9, "limited": True}
FLOOR = {"order": None, "seconds_at_equal_error": None, "limited_at_equal_error": True, "order_at_equal_time": "order 4",
         "error_at_equal_time": 2e-9, "limited_at_equal_time": True, "floor": 1.5e-9, "lines": [LINE]}  # fmt: skip


def run(folder, **changes):
    return RunData(build_run(folder / "run", "ode", size=5, **changes))


def test_nothing_is_claimed_that_the_reference_hides(tmp_path):
    said = " ".join(classical_sentences(run(tmp_path, classical=FLOOR)))
    assert (
        "cannot be told: what it is compared with is itself known to 1.5×10⁻⁹ only" in said
        and "No finite-difference run" not in said
    )
    assert "an error of at most 2.0×10⁻⁹ (the reference is not known better)" in said


def test_a_faster_method_may_be_hidden(tmp_path):
    found = {**FLOOR, "order": "order 2", "seconds_at_equal_error": 3.0, "limited_at_equal_time": False}
    said = " ".join(classical_sentences(run(tmp_path, classical=found)))
    assert "order 2 reaches this error in at most 3.0 s" in said and "an error of 2.0×10⁻⁹." in said


def test_an_error_known_from_above_only_is_not_compared_with(tmp_path):
    data = run(
        tmp_path, reference="finite_difference", estimate=False, error=1e-9, classical={**FLOOR, "limited_at_equal_error": False}
    )
    known = network_error(data)
    assert known.how == "unsure" and known.most == pytest.approx(known.value + known.bar)
    said = " ".join(classical_sentences(data))
    assert "relative error is at most 4.0×10⁻⁹" in said and "reached this error" not in said
    (figure,) = (figure for _, figure in frontier_figures(data))
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any("network: at most 4.0×10⁻⁹" in text for text in words)


@pytest.mark.parametrize("floor, drawn", [(1.5e-9, True), (0.0, False), (None, False)])
def test_the_error_of_the_reference_is_drawn(tmp_path, floor, drawn):
    (figure,) = (figure for _, figure in frontier_figures(run(tmp_path, classical={**FLOOR, "floor": floor})))
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert any("error of the reference, up to 1.5×10⁻⁹" in text for text in words) is drawn
