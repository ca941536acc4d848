"""The contract of a dataset plugin: one function that says which image files there are.

A plugin is `datasets/NAME/dataset.py` with `def samples(request: Request) -> list[Sample]`. It only names
files (or writes them into `request.folder`); `bench.data` decodes them, splits them and keeps every form.
Samples whose shape isn't `data.channels` squares of `data.image_size` tell it by `def shape(settings: Data)`, which
returns (channels, height, width). A plugin of a sensor's axes has `HAS_AXES = True`, and a row of its samples is an
axis, in the order of `bench.gesture.motion.AXES`. `DEFAULT_SAMPLES` tells how many there are without a source.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Progress = Callable[[str, int, int], None]  # what, done, total


@dataclass(frozen=True)
class Sample:
    """One image: `name` is unique and stable; `group` (a patient, say) can be a client of its own.

    With `data.groups` a group stays on one side of the split, and the samples have the groups that were asked for.
    `split` is given only where the data set itself says which side a sample is on. `fault`, worded to follow the
    file's name, is given where the file may not even be opened: a link that leaves the source, say.
    """

    name: str
    label: str
    path: Path
    group: str | None = None
    split: Literal["train", "test"] | None = None
    fault: str | None = None


@dataclass(frozen=True)
class Request:
    """What is wanted of a data set.

    Generated files go into `folder`, which is this source's own; without a source, this seed's and film size's own.
    It may hold files of an earlier call, which asked for more or fewer samples: what is there must be whole.
    `warn` takes a line of what somebody who trains on the set should know of its source.
    """

    source: Path | None
    folder: Path
    samples: int | None
    groups: str | None
    axes: str
    film_size: int | None
    seed: int
    report: Progress
    warn: Callable[[str], None]
