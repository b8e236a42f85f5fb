import numpy as np
import pytest
from report_runs import build_run

from pinn.problem.settings import BadInput
from pinn.report.folder import RunData
from pinn.report.settings import Classical, Report


def test_reads_everything_of_a_run(heat):
    data = RunData(heat)
    assert (
        data.title == "Heat conduction in a rod"
        and data.unknowns == ("u",)
        and data.grid.time == "t"
        and data.grid.shape == (17, 17)
    )
    assert data.terms == ("heat", "initial", "walls") and set(dict(data.points())) == set(data.terms)
    assert np.array_equal(data.fields("u").error, data.field("u") - data.field("u.reference"))
    assert (
        data.metric("seconds.solve") == 25.3 and data.metric("seconds.none", "-") == "-" and data.metric("verdict.deeper") is None
    )
    assert (
        data.history["stage"][-1] == "lbfgs"
        and np.isnan(data.history["error"][1])
        and data.residual_maps()["heat"].shape == (17, 17)
    )


def test_row_cut_short_is_left_out(tmp_path):
    folder = build_run(tmp_path / "run", "ode", size=5)
    text = (folder / "history.csv").read_text()
    num = len(RunData(folder).history["step"])
    (folder / "history.csv").write_text(text + "3010,lbfgs,0.1")
    assert len(RunData(folder).history["step"]) == num


def test_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadInput, match="No folder"):
        RunData(tmp_path / "nowhere")
    with pytest.raises(BadInput, match="not the folder of a run"):
        RunData(tmp_path)


def test_missing_unknown_is_named(heat):
    with pytest.raises(BadInput, match="no solution of 'w'"):
        RunData(heat).fields("w")


def test_report_settings_check_themselves():
    assert Report(classical={"seconds": "5"}).classical == Classical(5.0)
    assert Report(classical=None).classical is None and Report().classical == Classical(30.0)
    for values, words in (
        ({"figures": ["soluton"]}, "figures must be one of .*did you mean 'solution'"),
        ({"classical": {"second": 5}}, "classical.second is not a setting.*did you mean 'seconds'"),
        ({"classical": {"seconds": -1}}, "classical.seconds must be at least 0"),
        ({"animation": "yes"}, "animation must be true or false"),
    ):
        with pytest.raises(BadInput, match=words):
            Report(**values)
