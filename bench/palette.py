"""One colour a backend, the same in every picture: Okabe and Ito's, which people with any colour vision tell apart."""

from collections.abc import Iterable, Mapping

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
KNOWN = {"torch": BLUE, "tff": ORANGE, "reference": BLACK}
STYLES = ("-", "--", ":", "-.")
OTHERS = (GREEN, RED, PURPLE, SKY, YELLOW)


def colours(backends: Iterable[str]) -> dict[str, str]:
    """Return each backend's colour; a variant or version has its backend's, strangers take the free ones in turn."""
    found: dict[str, str] = {}
    strangers = 0
    for name in backends:
        plain = name.partition("+")[0].partition("@")[0]
        if plain in KNOWN:
            found[name] = KNOWN[plain]
        else:
            found[name] = OTHERS[strangers % len(OTHERS)]
            strangers += 1
    return found


def dashes(colour: Mapping[str, str]) -> dict[str, str]:
    """Return each backend's line style: solid, but for those that share a colour with one before them."""
    own = list(colour.values())
    return {name: STYLES[own[:place].count(own[place]) % len(STYLES)] for place, name in enumerate(colour)}
