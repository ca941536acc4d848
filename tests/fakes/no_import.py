# /// script
# [tool.bench]
# environment = "harness"
# ///
"""Needs a framework that isn't there."""

import a_framework_that_is_not_there  # noqa: F401
