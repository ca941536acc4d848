"""What is written can be read again: by programs to the last bit, by people without a line for every number."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bench import store

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
documents = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(documents)
def test_a_document_is_what_its_text_says(document):
    assert json.loads(store.as_text(document)) == document
    assert store.as_text(document).endswith("\n")


@given(st.lists(st.integers() | st.floats(allow_nan=False)), st.integers(2, 5))
def test_numbers_take_one_line_however_many_there_are(numbers, times):
    once, often = ({"cohort": numbers * count, "names": ["a", "b"], "pairs": [[1, 2], []]} for count in (1, times))
    assert store.as_text(once).count("\n") == store.as_text(often).count("\n")
    assert json.loads(store.as_text(often)) == often


def test_an_entry_takes_a_line_as_it_always_did():
    document = {"runs": [{"backend": "torch", "names": ["a", "b"]}, {}], "none": [], 1: None, "pair": ("x", 2)}
    assert store.as_text(document) == json.dumps(document, indent=1) + "\n"


def test_what_is_written_with_a_checksum_is_read_and_what_was_altered_is_not(tmp_path):
    path = tmp_path / "record.json"
    store.write_json(path, {"cohort": [1, 2, 3], "inf": float("inf")})
    assert store.read_json(path) == {"cohort": [1, 2, 3], "inf": float("inf")}
    path.write_text(path.read_text().replace("[1, 2, 3]", "[1, 2, 4]"))
    assert store.read_json(path) is None
