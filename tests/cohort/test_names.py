"""What a name may be, wherever it comes from."""

import numpy as np
import pytest

from imbalance_tf import Case, Cohort, CohortError, LabelScheme, Study
from imbalance_tf.cohort.names import name_problem

BAD_ANYWHERE = {
    "": "is empty",
    "padded ": "begins or ends with a space",
    " padded": "begins or ends with a space",
    "two\nlines": "cannot be printed",
    "\x1b[2J": "cannot be printed",
    "undecodable \udcff": "cannot be printed",
    "right to left \u202e": "cannot be printed",
    "<script>alert(1)</script>": "holds '<'",
    'a" onload="b': "holds '\"'",
    "$x_1$": "holds '$'",
    "=1+1": "as a formula of a spreadsheet does",
    "a" * 250: "has 250 bytes; at most 200",
    3: "is no text",
}
BAD_FILES = {
    "../case": "holds '/'",
    "/absolute": "holds '/'",
    "..": "begins or ends with a dot",
    "c:case": "holds ':'",
    "a\\b": "holds '\\\\'",
    "CON": "device",
    "aux.1": "device",
    "COM\u00b9": "device",
    "é" * 101: "has 202 bytes",
}
GOOD = [
    "case_1",
    "Łódź 日本",
    "BraTS20 (1)",
    "UCSF-PDGM-0004",
    "001",
    "1e5",
    "NA",
    "a" * 200,
    "R&D's",
]


def _case(name):
    labels = np.zeros((1, 4, 4), np.uint8)
    return Case(name, np.zeros((1, 4, 4, 1), np.float16), labels, np.ones((1, 4, 4), bool))


def _scheme(name="mine", tumour="lesion", region="whole"):
    return LabelScheme(name, ("healthy", tumour), (0, 1), {region: (tumour,)})


@pytest.mark.bad_input
@pytest.mark.parametrize(("name", "words"), [*BAD_ANYWHERE.items(), *BAD_FILES.items()])
def test_what_is_no_name_of_a_file_is_no_case_and_no_study(name, words):
    assert words in name_problem(name, of_file=True)
    with pytest.raises(ValueError, match="case: the name"):
        _case(name)
    with pytest.raises(ValueError, match="study: the name"):
        Study(name, "?", ["balanced"])


@pytest.mark.parametrize(("name", "words"), BAD_ANYWHERE.items())
def test_what_tables_and_pages_cannot_show_is_no_name_in_a_scheme(name, words):
    for where in ("name", "tumour", "region"):
        with pytest.raises(ValueError, match="the name"):
            _scheme(**{where: name})
    with pytest.raises(ValueError, match="modality: the name"):
        Cohort([_case("a")], _scheme(), [name])


@pytest.mark.parametrize("name", ["case", "region", "dice", "volume ratio", "volume x", "cases x"])
def test_a_class_or_region_is_not_called_as_a_column(name):
    for where in ("tumour", "region"):
        with pytest.raises(ValueError, match="that of a column of the tables"):
            _scheme(**{where: name})


@pytest.mark.parametrize("name", GOOD)
def test_names_that_people_use_are_names(name):
    assert name_problem(name, of_file=True) == ""
    assert _case(name).id == name


@pytest.mark.bad_input
@pytest.mark.parametrize("pair", [("a", "a"), ("case", "Case"), ("\u00e9", "e\u0301")])
def test_two_cases_that_would_be_one_file_somewhere_are_refused(pair):
    with pytest.raises(ValueError, match="two cases are named"):
        Cohort([_case(name) for name in pair], _scheme(), ["t1"])


@pytest.mark.bad_input
def test_what_legends_leave_out_is_no_name_in_a_scheme():
    for where in ("name", "tumour", "region"):
        with pytest.raises(ValueError, match="legends leave out such names"):
            _scheme(**{where: "_edema"})
    assert _case("_a").id == "_a"


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[2J", "caf\udce9", "a\u202eb"])
def test_a_problem_is_one_line_whatever_a_file_is_called(text):
    (line,) = CohortError("folder", [f"Łódź/{text}: no scan"]).problems
    assert line == f"Łódź/{ascii(text)[1:-1]}: no scan"


def test_numpy_integers_are_values_of_a_scheme():
    scheme = LabelScheme("s", ["healthy", "b"], np.array([0, 4]), {"b": ["b"]})
    assert scheme.values == (0, 4)
    assert all(type(value) is int for value in scheme.values)
