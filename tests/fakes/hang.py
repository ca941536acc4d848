# /// script
# [tool.bench]
# framework = "numpy"
# environment = "harness"
# needs = ["../backends/reference/adapter.py"]
# ///
"""Never comes back from its second round."""

import time

from reference import adapter as reference


class Adapter(reference.Adapter):
    """The reference, with one fault."""

    def round(self, work, feed):
        while work.number == 2:
            time.sleep(1)
        super().round(work, feed)
