import os

import numpy as np
import pytest
from hypothesis import given, strategies as st

from imbalance_tf import SCHEMES, LabelScheme
from imbalance_tf.reading.examining import scheme_asked

LESIONS = """\
name = "white matter lesions"
classes = ["healthy", "lesion"]
values = [0, 1]
[regions]
lesion = ["lesion"]
"""


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_regions_unite_the_classes_that_the_release_keeps_apart(scheme):
    tumour = set(scheme.classes[1:]) - {"resection cavity"}
    assert set(scheme.regions["whole"]) == tumour
    assert set(scheme.regions["core"]) == tumour - {"edema"}
    assert scheme.regions.get("active") == (("enhancing",) if "enhancing" in tumour else None)


@given(data=st.data())
def test_classes_and_file_values_are_inverse(data):
    scheme = data.draw(st.sampled_from(list(SCHEMES.values())))
    shape = data.draw(st.tuples(st.integers(0, 4), st.integers(1, 5)))
    number = st.integers(0, len(scheme.classes) - 1)
    flat = data.draw(st.lists(number, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    classes = np.array(flat, np.uint8).reshape(shape)
    assert np.array_equal(scheme.to_classes(scheme.to_file_values(classes)), classes)


def test_a_value_outside_the_scheme_is_refused():
    with pytest.raises(ValueError, match="label value 3 does not belong to scheme 'brats2017'"):
        SCHEMES["brats2017"].to_classes(np.array([0, 3]))


def test_a_scheme_from_a_file(tmp_path):
    (tmp_path / "lesions.toml").write_text(LESIONS)
    scheme = LabelScheme.from_toml(tmp_path / "lesions.toml")
    assert scheme == LabelScheme(
        "white matter lesions", ("healthy", "lesion"), (0, 1), {"lesion": ("lesion",)}
    )
    assert scheme.to_classes(np.array([0, 1])).tolist() == [0, 1]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "values = [0, 1]",
            "values = [0]",
            r"values=\[0\]; a different whole number .* each of \['hea",
        ),
        (
            "values = [0, 1]",
            "values = [0, 1.5]",
            r"values=\[0, .*; a different whole number from 0 to 255",
        ),
        (
            "values = [0, 1]",
            "values = [0, 300]",
            r"values=\[0, .*; a different whole number from 0 to 255",
        ),
        ("values = [0, 1]", "values = [0, 0]", r"values=\[0, 0\]; a different whole number"),
        ("values = [0, 1]", "values = [1, 0]", r"values=\[1, 0\]; .*and 0 for the first"),
        ('"healthy", "lesion"', '"lesion", "lesion"', "two or more different names"),
        ('lesion = ["lesion"]', 'whole = ["cyst"]', r"unites \['cyst'\]; one or more of"),
        ('lesion = ["lesion"]', 'lesion = "lesion"', "regions a table with a list of class names"),
        ('"healthy", "lesion"', '"healthy"', "two or more different names"),
        ('classes = ["healthy", "lesion"]', 'classes = "ab"', "classes and values must be lists"),
        ('[regions]\nlesion = ["lesion"]', 'regions = ["lesion"]', "is no label scheme"),
        ("values = [0, 1]", "values = 5", "classes and values must be lists"),
        ('lesion = ["lesion"]', "lesion = 1", "a table with a list of class names for each"),
        ('"white matter lesions"', r'"a\nb\u001b[2J"', r"scheme 'a\\nb\\x1b\[2J': the name"),
        ('"white matter lesions"', f'"{"x" * 10**5}"', "^.{,900}has 100000 bytes; at most 200"),
        ("values = [0, 1]", f"values = [{'1,' * 10**4}]", "^.{,900}a different whole number"),
        ('"healthy", "lesion"', '"lesion", "Lesion"', "different names are expected, in more than"),
        ('"healthy", "lesion"', '"\u00e9", "e\u0301"', "two or more different names"),
        ('lesion = ["lesion"]', 'a = ["lesion"]\nA = ["lesion"]', "differ in capitals only"),
        ('lesion = ["lesion"]', 'all = ["lesion", "lesion"]', "each once, is expected"),
        ('"healthy", "lesion"', '"healthy", "_lesion"', "legends leave out such names"),
        ('"healthy", "lesion"', '" healthy", "lesion"', "begins or ends with a space"),
        ("[regions]", "[[regions]]", "regions a table with a list"),
        ('lesion = ["lesion"]', "", "no region; name at least one"),
        ('name = "white', 'title = "white', r"its keys are \['classes', 'regions', 'title'"),
        ("[regions]", "[regions", "is no label scheme"),
        ('"healthy", "lesion"', "0, 1", "the name 0 is no text"),
        ('"healthy", "lesion"', '" ", "lesion"', "the name ' ' is empty"),
        ("values = [0, 1]", "values = " + 5000 * "[", "is no label scheme"),
    ],
)
def test_a_file_that_makes_no_scheme_is_refused(tmp_path, old, new, words):
    assert old in LESIONS
    (tmp_path / "mine.toml").write_text(LESIONS.replace(old, new))
    with pytest.raises(ValueError, match=words) as error:
        LabelScheme.from_toml(tmp_path / "mine.toml")
    assert str(tmp_path / "mine.toml") in str(error.value)


@pytest.mark.bad_input
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_to_be_saved_anew(tmp_path, encoding):
    path = tmp_path / "mine.toml"
    path.write_text(LESIONS.replace("white", "weiße"), encoding=encoding)
    with pytest.raises(ValueError, match=r"mine\.toml is no label scheme: save it as UTF-8"):
        LabelScheme.from_toml(path)


@pytest.mark.bad_input
def test_what_might_be_read_for_ever_is_no_scheme(tmp_path):
    (tmp_path / "scheme.toml").symlink_to(os.devnull)
    with pytest.raises(ValueError, match=r"scheme\.toml .* it is a folder, a device"):
        scheme_asked(tmp_path, "auto")


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["scheme.toml.txt", "Scheme.txt"])
def test_a_scheme_that_windows_calls_otherwise_is_not_passed_over(tmp_path, name):
    (tmp_path / name).write_text(LESIONS)
    with pytest.raises(ValueError, match=rf"{name} is not read .*; call it scheme\.toml, or rem"):
        scheme_asked(tmp_path, "auto")
    assert scheme_asked(tmp_path, "brats2017") is SCHEMES["brats2017"]
    (tmp_path / "scheme.toml").write_text(LESIONS)
    assert scheme_asked(tmp_path, "auto").name == "white matter lesions"


@pytest.mark.bad_input
@pytest.mark.parametrize("target", ["fetch_me.toml", "scheme.toml"])
def test_a_link_to_nowhere_in_the_folder_is_not_passed_over(tmp_path, target):
    (tmp_path / "scheme.toml").symlink_to(target)
    with pytest.raises(FileNotFoundError, match=r"there is no scheme file .*scheme\.toml"):
        scheme_asked(tmp_path, "auto")


def test_a_missing_scheme_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no scheme file .*mine\.toml"):
        LabelScheme.from_toml(tmp_path / "mine.toml")


def test_a_file_from_notepad_and_a_path(tmp_path):
    path = tmp_path / "lesions.toml"
    path.write_text(LESIONS, encoding="utf-8-sig")
    assert scheme_asked(tmp_path, path) == LabelScheme.from_toml(path)
