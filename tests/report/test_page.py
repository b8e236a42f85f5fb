import html.parser
import json
import re

import numpy as np
import pytest
from report_runs import build_run

from pinn.report.figures import make_figures
from pinn.report.markup import Html, element, join
from pinn.report.page import write_page
from pinn.report.settings import Report
from pinn.report.table import compare, compare_figure, names_of

EVIL = "<script>alert('1')</script> & \"more\""


class Reader(html.parser.HTMLParser):
    """Collects tags, sources, and the text outside style."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in ("img", "meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def page(heat):
    return Reader(write_page(heat).read_text(encoding="utf-8"))


def test_page_stands_alone(page):
    assert page.open == [] and page.tags.count("img") == 8
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_page_says_what_matters(page):
    for words in (
        "Heat conduction in a rod", "verified", "relative L² error 1.0×10⁻⁴ (exact solution); wanted at most 1.0×10⁻³", "error known from the exact solution",
        "reaches this error in 0.014 s: 1,900 times faster than the network", "In the network's time", "an error of 2.0×10⁻¹³",
        "Fourier (1822)", "Terms of the loss", "Configuration", "pinn run heat seed=0", "8,513",
    ):  # fmt: skip
        assert words in page.text, words
    assert page.tags.count("math") >= 7 and page.tags.count("details") == 2


def test_figures_stand_in_order_with_one_caption_for_each_kind(tmp_path):
    folder = build_run(tmp_path / "run", "system", size=5, reference="finite_difference")
    make_figures(folder, Report(figures=["history", "solution"], animation=False))
    text = write_page(folder).read_text(encoding="utf-8")
    assert re.findall(r'alt="([a-z ]+)"', text.replace("alttext", "")) == ["solution p", "solution v", "history"]
    assert text.count("<figcaption>") == 2 and "strong evidence, not a guarantee" in text and "Observed order 3.96" in text


def test_scattered_nodes_are_told_from_grids(tmp_path):
    folder = build_run(tmp_path / "run", "system", size=5, reference="finite_difference")
    place = folder / "metrics.json"
    metrics = json.loads(place.read_text())
    metrics["reference"] |= {"scattered": True, "grids": [400, 1500, 5600]}
    place.write_text(json.dumps(metrics))
    make_figures(folder)
    text = Reader(write_page(folder).read_text()).text
    assert "finite differences on scattered nodes." in text and "on 400, 1500, 5600 nodes" in text and "its densities" in text


def test_nothing_in_a_run_becomes_markup(tmp_path):
    folder = build_run(
        tmp_path / "run", "ode", size=5, verdict=EVIL, verdict_reasons=[EVIL], warnings=[EVIL], solver=EVIL, terms={EVIL: 1.0}
    )
    config = json.loads((folder / "config.yaml").read_text())
    config["problem"].update(title=EVIL, citation=EVIL, equations={EVIL: EVIL}, constants={EVIL: EVIL})
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps({EVIL: EVIL}))
    read = Reader(write_page(folder, warnings=[EVIL]).read_text(encoding="utf-8"))
    assert "script" not in read.tags and read.open == [] and read.text.count(EVIL) >= 10


def test_unfinished_run_is_told_as_such(tmp_path):
    folder = build_run(tmp_path / "run", "ode", size=5)
    (folder / "metrics.json").unlink()
    (folder / "status.json").write_text(
        json.dumps({"state": "diverged", "stage": "adam", "step": 12, "message": "term 'oscillator' at step 12"})
    )
    text = Reader(write_page(folder).read_text(encoding="utf-8")).text
    assert "no verdict: the run is diverged" in text and "term 'oscillator' at step 12" in text and "error not known" in text


def test_quantities_are_shown_with_their_error_where_known(tmp_path):
    quantities = {
        "drag": {"value": 1.234567, "reference": 1.2345, "error": 2e-5, "relative_error": 1.6e-5, "why": ""},
        "lift": {"value": 0.5, "error": None, "relative_error": None, "why": "there is no reference"},
        "flux": {"coordinates": ["t"], "lowest": -3.1, "highest": 0.0, "error": 0.01, "relative_error": 0.003, "why": ""},
    }
    folder = build_run(tmp_path / "run", "ode", size=5, quantities=quantities)
    places = np.linspace(0, 1, 9)
    np.savez(folder / "quantities.npz", flux=places - 3.1, **{"flux.t": places, "flux.reference": places - 3.09})
    assert [path.name for path in make_figures(folder, Report(figures=["quantities"], animation=False))] == ["quantities_flux.png"]
    text = Reader(write_page(folder).read_text(encoding="utf-8")).text
    assert "drag1.234572.0×10⁻⁵1.6×10⁻⁵" in text and "lift0.500000not known: there is no reference–" in text
    assert "flux−3.100 to 0, a function of t0.01" in text and "Quantities that were asked for" in text


def test_the_weights_are_those_of_the_run(tmp_path):
    folder = build_run(
        tmp_path / "run", "ode", size=5, terms={"oscillator": 1e-4, "start.u": 1e-6}, weights={"oscillator": 1.0, "start.u": 100.0}
    )
    text = Reader(write_page(folder).read_text(encoding="utf-8")).text
    assert "omega_0**2*u = 01,50010.010" in text and "u = 12001001.0×10⁻³" in text


def test_known_but_large_error_is_not_shown_as_success(tmp_path):
    folder = build_run(tmp_path / "run", "ode", size=5, error=0.2)
    config = json.loads((folder / "config.yaml").read_text()) | {"accuracy": None}
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "status.json").write_text(json.dumps({"state": "running", "stage": "report", "step": 3}))
    text = write_page(folder).read_text(encoding="utf-8")
    assert 'class="verdict open"' in text and "No accuracy was asked for" in text and "The run is running" not in text


def test_withheld_estimate_and_missing_reference_are_told(tmp_path):
    folder = build_run(tmp_path / "run", "ode", size=5, reference="none", estimate=False)
    text = Reader(write_page(folder).read_text(encoding="utf-8")).text
    assert (
        "There is no reference: the domain is not a box" in text
        and "The estimate was withheld: not resolved on the largest grid" in text
    )
    assert "error not known" in text and "verified" not in text.replace("not verified", "")


def test_elements_escape_everything_but_markup():
    assert element("p", "a < b", Html("<b>x</b>"), None, class_='"') == '<p class="&quot;">a &lt; b<b>x</b></p>'
    assert join(["&", 3]) == "&amp;3"


def test_runs_are_compared_in_a_table_and_a_figure(heat, tmp_path):
    other = build_run(tmp_path / "other", "system", size=5, error=2e-3, estimate=False)
    (other / "metrics.json").write_text((other / "metrics.json").read_text().replace("adam_lbfgs", "least_squares"))
    unfinished = build_run(tmp_path / "unfinished", "ode", size=5)
    (unfinished / "metrics.json").unlink()
    lines = compare([heat, other, unfinished]).splitlines()
    assert [line.split()[0] for line in lines] == ["run", lines[1].split()[0], "heat", "other", "unfinished"]
    assert "least_squares" in lines[3] and "p 2.0×10⁻³, v 2.0×10⁻³" in lines[3] and lines[4].endswith("finished")
    assert lines[2].index("verified") == lines[0].index("verdict")
    assert compare_figure([heat, other, unfinished], tmp_path / "compare.png").stat().st_size > 10_000


def test_compared_runs_are_told_apart_by_name_and_by_what_differs(tmp_path):
    for name, seed in (("a/0", 0), ("b/0", 1), ("b/10", 1)):
        config = json.loads((build_run(tmp_path / name, "ode", size=5) / "config.yaml").read_text()) | {
            "seed": seed,
            "solver": {"steps": 10},
        }
        (tmp_path / name / "config.yaml").write_text(json.dumps(config))
    folders = [tmp_path / name for name in ("a/0", "b/0", "b/10")]
    assert names_of(folders) == ["a/0", "b/0", "b/10"]
    assert names_of([tmp_path / "b" / "0", tmp_path / "b" / "10"]) == ["0", "10"]
    assert names_of([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    lines = compare(folders).splitlines()
    assert lines[0].endswith("settings") and [line.split()[-1] for line in lines[2:]] == ["seed=0", "seed=1", "seed=1"]
    assert compare(folders[1:]).splitlines()[0].endswith("verdict")
