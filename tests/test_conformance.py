"""Every backend that ships is right: `bench conformance` in its real environment."""

import pytest

from tests.conftest import skip_without_its_python


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("reference", "22 pass, 0 fail, 1 skipped"),
        ("torch", "23 pass, 0 fail, 0 skipped"),
        ("torch+fast", "9 pass, 0 fail, 14 skipped"),
        ("torch+crew", "9 pass, 0 fail, 14 skipped"),  # each of its processes trains as torch+lean does
        ("torch+sparse", "6 pass, 0 fail, 17 skipped"),
        ("tff", "23 pass, 0 fail, 0 skipped"),
        ("pfl", "13 pass, 0 fail, 10 skipped"),
        ("flower", "9 pass, 0 fail, 14 skipped"),
        ("fedjax", "9 pass, 0 fail, 14 skipped"),
        ("syft-0.2", "9 pass, 0 fail, 14 skipped"),
        ("syft-0.5", "9 pass, 0 fail, 14 skipped"),
        ("syft-0.9", "9 pass, 0 fail, 14 skipped"),
    ],
)
def test_conformance(bench, backend, told):
    finished = bench("conformance", backend)
    skip_without_its_python(finished.out)
    assert finished.code == 0, finished.out
    assert told in finished.out
