"""Known functions from files in formulas: the same as the formulas they were made from, wherever those may stand."""

import subprocess
import sys

import numpy as np
import pytest

from pinn.problem.flux import flux
from pinn.problem.formulas.calculus import derivative, jets
from pinn.problem.formulas.program import Program, coordinate_values
from pinn.problem.language import load_problem, read_problem
from pinn.problem.settings import BadInput
from pinn.problem.shapes.regions import sample_region
from pinn.problem.terms import make_term

SIDE = np.linspace(0, 1, 6)
FORMULA = "(1 + x**2*y - y**3/2)"
TEXT = {
    "coordinates": {"x": [0, 1], "y": [0, 1], "t": [0, 1]},
    "unknowns": ["u"],
    "equations": {"heat": "u_t = div(k*grad(u)) + w*laplacian(k) + k(x=0.25, y=y/2) + where(k > 1, k_xy, sqrt(k)) + integral(k*u)"},
    "conditions": {
        "initial": {"at": "t = 0", "u": "k*sin(x)"},
        "right": {"at": "x = 1", "k*u_n": "k_n - u(x=0)"},
        "left": {"at": "x = 0", "u": "k_y"},
        "others": {"at": "y = 0 or y = 1", "u": "k(x=1)*y"},
    },
}


def write_grid(path, function=lambda x, y: 1 + x**2 * y - y**3 / 2, names="x,y,k", order=None):
    points = np.stack(np.meshgrid(SIDE, SIDE, indexing="ij"), -1).reshape(-1, 2)
    rows = np.column_stack([points, function(*points.T)])
    if order is not None:
        rows = rows[np.random.default_rng(order).permutation(len(rows))]
    np.savetxt(path, rows, delimiter=",", header=names, comments="")


def read(folder, text=TEXT, **fields):
    return read_problem({**text, "fields": fields, "define": {"w": "k**2"}} if "k" in fields else {**text, "fields": fields})


@pytest.fixture
def pair(tmp_path):
    """The same problem with a function from a file, and with the formula it was made from."""
    write_grid(tmp_path / "k.csv", order=1)
    known = read(tmp_path, k={"file": str(tmp_path / "k.csv")})
    formula = read_problem({**TEXT, "define": {"k": FORMULA, "w": "k**2"}})
    return known, formula


def random_jets(problem, term):
    random = np.random.default_rng(5)
    return [random.normal(size=(len(image.sites.points), len(image.request))) for image in term.images]


def test_residuals_and_slopes_are_those_of_the_formula(pair):
    known, formula = pair
    for first, second in zip(known.residuals, formula.residuals, strict=True):
        sites = sample_region(known, first.region, "trial", 50)
        terms = [make_term(problem, row, sites) for problem, row in ((known, first), (formula, second))]
        jets = random_jets(known, terms[0])
        assert terms[0].images[0].request == terms[1].images[0].request
        found, wanted = (term.linearise(jets) for term in terms)
        np.testing.assert_allclose(found[0] + np.zeros(terms[0].num_rows), wanted[0], atol=1e-10, err_msg=first.name)
        for one, other in zip(found[1], wanted[1], strict=True):
            np.testing.assert_allclose(one.values, other.values, atol=1e-10)


def test_nothing_of_a_file_is_left_in_a_bound_term(pair):
    problem = pair[0]
    term = make_term(problem, problem.equations[0], sample_region(problem, problem.equations[0].region, "trial", 9))
    assert "lookup" not in {instruction.function for instruction in term.program.listing.code}
    assert all(isinstance(value, (float, np.ndarray)) for value in term.program.listing.constants.values())


def test_formulas_print_as_people_wrote_them(pair):
    problem = pair[0]
    assert str(problem.conditions[2].tree) == "u[000] - k_y"
    assert "k(x=0.25, y=y/2)" in str(problem.equations[0].tree)


def test_a_flux_is_found_where_coefficients_are_functions_from_files(tmp_path):
    write_grid(tmp_path / "k.csv")
    text = {
        **TEXT,
        "equations": {"heat": "u_t = diff(k*u_x, x) + k*u_yy"},
        "conditions": {"c": {"at": "t = 0", "u": 0}, "b": {"at": "boundary", "u": 0}},
    }
    problem = read_problem({**text, "fields": {"k": {"file": str(tmp_path / "k.csv")}}})
    assert str(flux(problem.equations[0].tree, "x", problem.names)) in ("-(k*u[100])", "-k*u[100]")


def test_fields_of_fewer_coordinates_are_constant_along_the_others(tmp_path):
    t = np.linspace(0, 1, 5)
    (tmp_path / "f.csv").write_text("t,f\n" + "\n".join(f"{a},{a**3}" for a in t))
    problem = read(
        tmp_path,
        {**TEXT, "equations": {"heat": "u_t = laplacian(u) + f + f_x + f_t"}, "conditions": HEATED},
        f={"file": str(tmp_path / "f.csv")},
    )
    points = np.random.default_rng(0).random((20, 3))
    source = problem.equations[0].tree.arguments[1]
    rest = Program([source])({**coordinate_values(points, problem.names), **{jet: np.zeros(20) for jet in jets(source)}})[0]
    np.testing.assert_allclose(rest, points[:, 2] ** 3 + 3 * points[:, 2] ** 2, atol=1e-12)


HEATED = {"initial": {"at": "t = 0", "u": 0}, "walls": {"at": "boundary", "u": 0}}


def test_complex_fields_have_two_parts(tmp_path):
    np.savez(tmp_path / "h.npz", x=SIDE, h=SIDE + 1j * SIDE**2)
    text = {
        "coordinates": {"x": [0, 1]},
        "unknowns": {"u": {"complex": True}},
        "equations": {"wave": "u_xx + h*u = 0"},
        "conditions": {"ends": {"at": "boundary", "u": "h"}},
        "exact": None,
        "fields": {"h": {"file": str(tmp_path / "h.npz")}},
    }
    problem = read_problem(text)
    real, imag = problem.equations
    x = np.array([[0.3]])
    for row, wanted in ((real, 0.3 * 2 - 0.09 * 5), (imag, 0.3 * 5 + 0.09 * 2)):
        values = {
            jet: np.array([{"u_real": 2.0, "u_imag": 5.0}[jet.unknown]]) if jet.operator == ((0,),) else np.zeros(1)
            for jet in jets(row.tree)
        }
        np.testing.assert_allclose(Program([row.tree])({**coordinate_values(x, problem.names), **values})[0], wanted, atol=1e-12)


def test_values_on_interfaces_are_those_of_one_side(tmp_path):
    (tmp_path / "a.csv").write_text("x,a\n0.25,1\n0.75,3\n")
    text = {
        "coordinates": {"x": [0, 1]},
        "unknowns": ["u"],
        "shapes": {"left": "x < 0.5"},
        "interfaces": ["left"],
        "fields": {"a": {"file": str(tmp_path / "a.csv"), "interpolate": "nearest"}},
        "equations": {"poisson": "a*u_xx = -1"},
        "conditions": {"ends": {"at": "boundary", "u": 0}, "joined": {"at": "interfaces", "jump(u)": 0, "jump(a*u_n)": 0}},
    }
    problem = read_problem(text)
    flow = next(row for row in problem.conditions if row.name == "joined.jump(a*u_n)")
    term = make_term(problem, flow, sample_region(problem, flow.region, "trial", 4))
    columns = [np.ones((len(image.sites.points), len(image.request))) for image in term.images]
    np.testing.assert_allclose(np.abs(term.evaluate(columns)), 2)


def test_branches_not_taken_look_nothing_up(tmp_path):
    (tmp_path / "f.csv").write_text("t,f\n0,0\n0.5,1\n1,2\n")
    text = {**TEXT, "equations": {"heat": "u_t = laplacian(u) + where(t > 0.5, f(t=t - 0.5), 0)"}, "conditions": HEATED}
    problem = read(tmp_path, text, f={"file": str(tmp_path / "f.csv"), "interpolate": "linear"})
    assert problem.warnings == ()
    late = {**text, "equations": {"heat": "u_t = laplacian(u) + f(t=t - 0.5)"}}
    with pytest.raises(BadInput, match=r"equations\.heat: 'f' is wanted at t = -0\.\d*, but f\.csv has t from 0 to 1"):
        read(tmp_path, late, f={"file": str(tmp_path / "f.csv")})


def test_periodic_problems_take_tables_that_end_a_step_earlier(tmp_path):
    x = np.linspace(0, 1, 20, endpoint=False)
    np.savez(tmp_path / "w.npz", x=x, w=np.sin(2 * np.pi * x))
    text = {"coordinates": {"x": [0, 1], "t": [0, 1]}, "unknowns": ["u"], "equations": {"move": "u_t + u_x = 0"}}
    fields = {"w": {"file": str(tmp_path / "w.npz")}}
    wrapped = {**text, "fields": fields, "conditions": {"initial": {"at": "t = 0", "u": "w"}, "wrap": {"periodic": "x"}}}
    assert read_problem(wrapped).conditions[0].name == "initial"
    held = {**wrapped, "conditions": {"initial": {"at": "t = 0", "u": "w"}, "left": {"at": "x = 0", "u": 0}}}
    with pytest.raises(BadInput, match=r"fields\.w: w\.npz reaches from x = 0 to 0\.95; x goes from 0 to 1"):
        read_problem(held)


def test_an_exact_solution_may_come_from_a_file(tmp_path):
    write_grid(tmp_path / "s.csv", lambda x, y: x**2 - y**2, "x,y,s")
    text = {
        "coordinates": {"x": [0, 1], "y": [0, 1]},
        "unknowns": ["u"],
        "fields": {"s": {"file": str(tmp_path / "s.csv")}},
        "equations": {"laplace": "laplacian(u) = 0"},
        "conditions": {"walls": {"at": "boundary", "u": "exact"}},
        "exact": "s",
    }
    problem = read_problem(text)
    points = np.random.default_rng(0).random((9, 2))
    np.testing.assert_allclose(problem.exact_values((("u", ((2, 0),)),), points)[:, 0], 2, atol=1e-10)
    write_grid(tmp_path / "s.csv", lambda x, y: x**2 + y**2, "x,y,s")
    with pytest.raises(BadInput, match="does not satisfy 'laplace'"):
        read_problem(text)


FAULTS = [
    ({"k": "k.csv"}, "fields.k: must be a table, for instance {file: measured.csv}, got 'k.csv'"),
    ({"k": {"file": "FOLDER/k.csv", "interpolation": "linear"}}, "fields.k: unknown key 'interpolation'; did you mean 'interpolate'?"),
    ({"k": {"file": "FOLDER/k.csv", "interpolate": "cubicc"}}, "interpolate must be cubic, linear or nearest, got 'cubicc'; did you mean"),
    ({"k": {"file": "FOLDER/none.csv"}}, "fields.k: no file '"),
    ({"k": {"file": "FOLDER/half.csv"}}, "fields.k: half.csv reaches from x = 0 to 0.5; x goes from 0 to 1"),
    ({"k": {"file": "FOLDER/two.csv"}}, "two.csv has the columns a, b; say which one is 'k': columns: {a: k}"),
    ({"k": {"file": "FOLDER/one.csv"}}, "one.csv has a single value of x; a function of x needs two"),
    ({"k": {"file": "FOLDER/twice.csv"}}, "twice.csv has two values at x = 0, y = 0, 1 and 2"),
    ({"k": {"file": "FOLDER/disk.csv"}}, "'k' is wanted at x = "),
    ({"k_x": {"file": "FOLDER/k.csv"}, "k": {"file": "FOLDER/k.csv"}}, "fields: the name 'k_x' reads as the derivative of 'k' along x"),
    ({"u": {"file": "FOLDER/k.csv"}}, "fields: the name 'u' is already declared in unknowns"),
    ({"sin": {"file": "FOLDER/k.csv"}}, "fields: the name 'sin' is reserved"),
    ([], "fields: must be a mapping of names to tables, for instance {k: {file: k.csv}}, got []"),
]  # fmt: skip


@pytest.mark.parametrize("fields, message", FAULTS)
def test_faults_are_told(tmp_path, fields, message):
    write_grid(tmp_path / "k.csv")
    (tmp_path / "half.csv").write_text("x,k\n0,1\n0.25,1\n0.5,1\n")
    (tmp_path / "two.csv").write_text("x,a,b\n0,1,1\n1,1,1\n")
    (tmp_path / "one.csv").write_text("x,k\n0,1\n")
    (tmp_path / "twice.csv").write_text("x,y,k\n0,0,1\n0,0,2\n1,0,1\n1,1,1\n0,1,3\n")
    angle = np.linspace(0, 2 * np.pi, 41)
    np.savetxt(
        tmp_path / "disk.csv",
        np.column_stack([0.5 + 0.5 * np.cos(angle), 0.5 + 0.5 * np.sin(angle), angle]),
        delimiter=",",
        header="x,y,k",
        comments="",
    )
    placed = eval(repr(fields).replace("FOLDER", str(tmp_path)))
    with pytest.raises(BadInput) as caught:
        read_problem({**TEXT, "equations": {"heat": "u_t = k*laplacian(u)"}, "conditions": HEATED, "fields": placed})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "equation, settings, message",
    [
        ("u_t = diff(k*u_x, x)", {"interpolate": "nearest"}, "equations.heat: 'k_x': the derivative of steps drops the jumps"),
        ("u_t = k_xx*u", {"interpolate": "linear"}, "'k_xx': a function made of straight pieces has first derivatives only"),
        ("u_t = k_xxxx*u", {}, "'k_xxxx': a function made of cubics has third derivatives at most along a coordinate"),
        ("u_t = u_xx + k(x=u)", {}, "'k' is from a file, and looked up at coordinates only, not at unknowns"),
        ("u_t = u_xx + k(x=1.5)", {}, "x=1.5 lies outside the domain, where x is between 0 and 1"),
        ("u_t = u_xx + k(0.5)", {}, "a quantity elsewhere is written k(x=...)"),
        ("u_t = u_xx + kk", {}, "unknown name 'kk'; did you mean 'k'?"),
        ("u_t = u_xx + k_z", {}, "'k_z': no coordinate 'z'"),
        ("u_t = u_xx", {}, "fields.k: field 'k' is never used"),
    ],
)
def test_faults_of_formulas(tmp_path, equation, settings, message):
    write_grid(tmp_path / "k.csv")
    fields = {"k": {"file": str(tmp_path / "k.csv"), **settings}}
    with pytest.raises(BadInput) as caught:
        read_problem({**TEXT, "equations": {"heat": equation}, "conditions": HEATED, "fields": fields})
    assert message in str(caught.value)


YAML = """coordinates: {x: [0, 1], y: [0, 1]}
unknowns: [u]
fields: {k: {file: data/k.csv}}
equations: {poisson: div(k*grad(u)) = 1}
conditions: {walls: {at: boundary, u: 0}}
"""


def test_files_are_looked_for_beside_the_problem(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    write_grid(tmp_path / "data" / "k.csv")
    (tmp_path / "my.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path.parent)
    problem = load_problem(tmp_path / "my.yaml")
    path = str(tmp_path / "data" / "k.csv")
    assert problem.source["fields"]["k"]["file"] == path and list(problem.files) == [path]
    assert read_problem(problem.source).equations == problem.equations
    (tmp_path / "data" / "k.csv").write_text("x,y,k\n0,0,nan\n")
    with pytest.raises(BadInput) as caught:
        load_problem(tmp_path / "my.yaml")
    assert (
        str(caught.value)
        == "my.yaml line 3: fields.k: k.csv line 2: 'k' is not a number\n  fields: {k: {file: data/k.csv}}\n              ^"
    )


def test_formulas_can_be_looked_at_without_files_and_without_scipy(tmp_path):
    (tmp_path / "my.yaml").write_text(YAML)
    problem = load_problem(tmp_path / "my.yaml", tables=False)
    assert problem.order("u", "x") == 2 and problem.files == {}
    code = (
        "import sys; from pinn.problem.language import load_problem; "
        f"load_problem({str(tmp_path / 'my.yaml')!r}, tables=False); print('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_trees_of_equal_files_are_equal_and_of_others_are_not(tmp_path):
    write_grid(tmp_path / "k.csv")
    (tmp_path / "data").mkdir()
    write_grid(tmp_path / "data" / "k.csv", lambda x, y: 2 + x + y)
    text = {**TEXT, "equations": {"heat": "u_t = k*laplacian(u)"}, "conditions": HEATED}
    first, same, other = (
        read_problem({**text, "fields": {"k": {"file": str(tmp_path / name)}}}) for name in ("k.csv", "k.csv", "data/k.csv")
    )
    assert first.equations[0].tree == same.equations[0].tree != other.equations[0].tree


def test_derivatives_of_a_moved_lookup_follow_the_chain_rule(tmp_path):
    write_grid(tmp_path / "k.csv")
    text = {**TEXT, "equations": {"heat": "u_t = laplacian(u) + k(x=x**2, y=1 - x)"}, "conditions": HEATED}
    problem = read_problem({**text, "fields": {"k": {"file": str(tmp_path / "k.csv")}}})
    tree = problem.equations[0].tree.arguments[1].arguments[1]
    points = np.random.default_rng(0).random((30, 3))
    values = coordinate_values(points, problem.names)
    x = points[:, 0]
    (slope,) = Program([derivative(tree, "x", problem.names)])(values)
    np.testing.assert_allclose(
        slope, np.polyval(np.polyder(np.poly1d([-1, 1, 0, 0, 0, 1]) - np.poly1d([-1, 1]) ** 3 / 2), x), atol=1e-9
    )
