import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbalance_tf import SCHEMES
from imbalance_tf.cohort.labels import scheme_of_values


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({0, 1, 2, 3, 4}, "brats2013"),
        ({0, 3, 4}, "brats2013"),
        ({0, 1, 2, 4}, "brats2017"),
        ({0, 4}, "brats2017"),
    ],
)
def test_a_label_4_decides_the_release(values, name):
    assert scheme_of_values(values).name == name


@pytest.mark.parametrize("values", [{0}, {0, 1, 2}, {0, 1, 2, 3}])
def test_without_a_4_the_choice_is_left_to_the_person(values):
    with pytest.raises(ValueError, match=r"say which one it is with scheme=.*brats2023"):
        scheme_of_values(values)


def test_a_foreign_value_is_named():
    with pytest.raises(ValueError, match="label value 7 belongs to no known scheme"):
        scheme_of_values({0, 1, 7})


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_regions_are_whole_core_active(scheme):
    tumour = set(scheme.classes[1:])
    assert set(scheme.regions["whole"]) == tumour
    assert set(scheme.regions["core"]) == tumour - {"edema"}
    assert set(scheme.regions["active"]) == {"enhancing"}


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
