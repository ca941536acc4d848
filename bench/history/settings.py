"""What a spec sets apart from others, as history's series are parted by it."""

from collections.abc import Mapping
from typing import Any

from bench import spec

# What neither changes what is computed nor how long it takes; `source` is told by the data's digest, and `threads` by
# the machine, where they are counted.
_APART = {
    "data": ("source",),
    "timing": ("repeats", "threads", "save_every", "checkpoint_s", "silence_s"),
}


def unusual(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a spec, as JSON, sets other than by default: a setting that is new in a later fedbench parts none."""
    usual = spec.Spec().model_dump(mode="json")
    found: dict[str, Any] = {}
    for section, settings in own.items():
        if not isinstance(settings, Mapping) or not isinstance(usual.get(section), Mapping):
            pairs = {section: settings} if settings != usual.get(section) else {}
        else:
            pairs = {
                f"{section}.{key}": value
                for key, value in settings.items()
                if key not in _APART.get(section, ()) and value != usual[section].get(key)
            }
        found |= pairs
    return found
