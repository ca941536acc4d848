"""The live plot: six axes, the energy with its threshold, and the movements as shaded spans; blitted."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from bench.charts.spreading import spread
from bench.gesture.live import SPAN_S
from bench.gesture.motion import AXES, RANGE_DPS, RANGE_G
from bench.palette import BLACK, BLUE, GREEN, ORANGE, RED, SKY

if TYPE_CHECKING:
    from bench.gesture.live import Live

SIZE, DPI = (10.0, 6.4), 100
SPANS = 8  # shaded at once, at most
COLOURS = (BLUE, RED, GREEN)  # of x, y and z


class Plot:
    """Draws `Live` onto a figure; the canvas must be an Agg one, of a window or of a file."""

    def __init__(self, figure: Figure, title: str) -> None:
        self.figure = figure
        self.canvas: FigureCanvasAgg = figure.canvas  # type: ignore[assignment]
        self.frames = 0
        panels = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": (3, 3, 1.6), "hspace": 0.12})
        figure.subplots_adjust(left=0.085, right=0.93, top=0.86, bottom=0.085)
        self.panels = list(panels)
        limits = ((-RANGE_G * 1.05, RANGE_G * 1.05), (-RANGE_DPS * 1.05, RANGE_DPS * 1.05), (0.0, 1.5))
        names = ("accelerometer [g]", "gyroscope [deg/s]", "energy")
        for panel, (low, high), name in zip(self.panels, limits, names, strict=True):
            panel.set_xlim(-SPAN_S, 0)
            panel.set_ylim(low, high)
            panel.set_ylabel(name)
            panel.grid(alpha=0.25, linewidth=0.6)
            panel.spines[["top", "right"]].set_visible(False)
        self.panels[1].set_yticks((-250, -125, 0, 125, 250))
        self.panels[2].set_xlabel("seconds before now")
        figure.align_ylabels(self.panels)
        figure.text(0.085, 0.955, title, fontsize=10, color="0.35", va="center")
        self._lines = [self._line(place // 3, COLOURS[place % 3]) for place in range(6)]
        self._energy = self._line(2, BLACK)
        self._threshold = self.panels[2].axhline(0, color=ORANGE, linestyle="--", linewidth=1.4, animated=True)
        self._spans = [[self._span(row) for row in range(3)] for _ in range(SPANS)]
        self._names = [self._text(0, 0, 0.975, "center", "top", 10, "bold") for _ in range(SPANS)]
        self._ends = [
            self.panels[place // 3].text(
                1.008, 0, name, color=COLOURS[place % 3], fontsize=10, va="center", animated=True,
                transform=self.panels[place // 3].get_yaxis_transform(), clip_on=False,
            )
            for place, name in enumerate(AXES)
        ]  # fmt: skip
        self._threshold_name = self.panels[2].text(
            1.008, 0, "threshold", color=ORANGE, fontsize=9, va="center", animated=True,
            transform=self.panels[2].get_yaxis_transform(), clip_on=False,
        )  # fmt: skip
        self._last = figure.text(0.085, 0.905, "", fontsize=15, fontweight="bold", va="center", animated=True)
        self._state = figure.text(0.93, 0.905, "", fontsize=9, ha="right", va="center", color="0.35", animated=True)
        self._background: object = None
        figure.canvas.mpl_connect("resize_event", self._forget)

    def draw(self, live: "Live", frames_hz: float) -> None:
        """Draw one frame onto the canvas; nothing is shown yet."""
        self._place(live, frames_hz)
        if self._background is None:
            self.canvas.draw()
            self._background = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._background)
        for artist in self._artists():
            self.figure.draw_artist(artist)
        self.frames += 1

    def _forget(self, event: object) -> None:
        self._background = None

    def _artists(self) -> list[Artist]:
        spans = [span for row in self._spans for span in row if span.get_visible()]
        names = [name for name in self._names if name.get_visible()]
        ends = [*self._ends, self._threshold_name]
        return [*spans, *self._lines, self._threshold, self._energy, *names, *ends, self._last, self._state]

    def _place(self, live: "Live", frames_hz: float) -> None:
        places, values, energies = live.places, live.values, live.energies
        times = (places - live.place) / live.rate_hz
        breaks = np.flatnonzero(np.diff(places) > 1) + 1  # nothing is drawn where samples were lost
        broken_times = np.insert(times, breaks, np.nan)
        for place, line in enumerate(self._lines):
            line.set_data(broken_times, np.insert(values[:, place], breaks, np.nan))
        self._energy.set_data(broken_times, np.insert(energies, breaks, np.nan))
        if len(values):
            self._widen(values, energies)
            self._label(values[-5:].mean(0))
        threshold = live.segmenter.threshold
        is_known = threshold is not None
        for artist in (self._threshold, self._threshold_name):
            artist.set_visible(is_known)
        if threshold is not None:
            self._threshold.set_ydata([threshold, threshold])
            self._threshold_name.set_y(threshold)
        self._shade(live)
        self._tell(live, frames_hz)

    def _shade(self, live: "Live") -> None:
        spans = [(gesture.start, gesture.stop, gesture.told, 0.28) for gesture in live.gestures]
        if live.moving_since is not None:
            spans.append((live.moving_since, live.place + 1, "", 0.14))
        shown = [span for span in spans if (span[1] - live.place) / live.rate_hz > -SPAN_S][-SPANS:]
        for number, (row, name) in enumerate(zip(self._spans, self._names, strict=True)):
            is_shown = number < len(shown)
            for span in row:
                span.set_visible(is_shown)
            name.set_visible(is_shown)
            if is_shown:
                start, stop, told, alpha = shown[number]
                left, right = ((at - live.place) / live.rate_hz for at in (start, stop))
                for span in row:
                    span.set_x(left)
                    span.set_width(right - left)
                    span.set_alpha(alpha)
                name.set_text(told)
                name.set_x((left + right) / 2)
                name.set_visible((left + right) / 2 > -SPAN_S + 0.4)

    def _tell(self, live: "Live", frames_hz: float) -> None:
        if not live.segmenter.is_calibrated:
            text, colour = "hold the sensor still: calibrating", "0.35"
        elif live.segmenter.is_moving:
            text, colour = "moving", BLUE
        else:
            text, colour = live.gestures[-1].told if live.gestures else "at rest", BLACK
        self._last.set_text(text)
        self._last.set_color(colour)
        tally = live.tally
        self._state.set_text(
            f"{live.sample_hz:.0f} samples/s, {frames_hz:.0f} frames/s; {live.counted},"
            f" {tally.lost} lost, {tally.broken} broken"
        )

    def _widen(self, values: np.ndarray, energies: np.ndarray) -> None:
        """Sensors of a wider range than the MPU6050's, and strong movements, get more room; it isn't taken back."""
        peaks = (np.abs(values[:, :3]).max(), np.abs(values[:, 3:]).max(), energies.max())
        for panel, peak in zip(self.panels, peaks, strict=True):
            low, high = panel.get_ylim()
            if peak > high:
                panel.set_ylim(-1.3 * peak if low < 0 else 0, 1.3 * peak)
                if panel is self.panels[1]:
                    from matplotlib.ticker import AutoLocator

                    panel.yaxis.set_major_locator(AutoLocator())
                self._background = None

    def _label(self, values: np.ndarray) -> None:
        """Put each axis's name at its end, moved apart where two would cover one another."""
        for first in (0, 3):
            low, high = self.panels[first // 3].get_ylim()
            heights = spread(values[first : first + 3].astype(float), (high - low) * 0.085)
            for name, height in zip(self._ends[first : first + 3], heights.tolist(), strict=True):
                name.set_y(min(max(height, low), high))

    def _line(self, panel: int, colour: str) -> Line2D:
        (line,) = self.panels[panel].plot([], [], color=colour, linewidth=1.3, animated=True)
        return line

    def _span(self, panel: int) -> Rectangle:
        axes = self.panels[panel]
        span = Rectangle((0, 0), 0, 1, color=SKY, linewidth=0, animated=True, transform=axes.get_xaxis_transform())
        axes.add_patch(span)
        return span

    def _text(self, panel: int, x: float, y: float, ha: str, va: str, size: int, weight: str) -> Text:
        axes = self.panels[panel]
        text: Text = axes.text(
            x, y, "", ha=ha, va=va, fontsize=size, fontweight=weight, animated=True, clip_on=True,
            transform=axes.get_xaxis_transform(),
        )  # fmt: skip
        return text


def off_screen(title: str) -> Plot:
    """A plot that no window shows."""
    figure = Figure(figsize=SIZE, dpi=DPI)
    FigureCanvasAgg(figure)
    return Plot(figure, title)


def frame(plot: Plot) -> np.ndarray:
    """What was drawn, uint8 (height, width, 3); a copy."""
    return np.asarray(plot.canvas.buffer_rgba())[:, :, :3].copy()
