"""`bench gesture`: a six-axis sensor from the wire on: ports, recording, and a virtual one."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Hand gestures of a six-axis sensor, an MPU6050 on a serial port.

    \b
    bench gesture ports                           which ports there are
    bench gesture simulate --link /tmp/sensor     a virtual sensor
    bench gesture record --port /tmp/sensor --label LtoR --count 150
    bench gesture train --out model.npz           a classifier
    bench gesture watch --port /tmp/sensor        see it move
    bench gesture classify --port /tmp/sensor --model model.npz

    Firmware, wiring, the lines on the wire and the files: docs/gesture.md.
    """,
)

SensorPort = Annotated[
    str, typer.Option("--port", help="The sensor's port, such as /dev/ttyUSB0; bench gesture ports lists them.")
]
Baud = Annotated[int, typer.Option(min=50, max=4_000_000, help="The rate of the line, in bits a second.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=100,
        help="Energy above which the sensor moves; 1 is 1 g or 250 deg/s. Without it, from a second at rest.",
    ),
]
Rate = Annotated[
    float, typer.Option(min=1, max=100_000, help="Samples a second that the sensor should send; it is measured.")
]
Patience = Annotated[
    float, typer.Option(min=0.5, max=86400, help="Seconds to wait for a sensor that is silent or unplugged.")
]


@app.command()
def ports(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON on standard output.")] = False,
) -> None:
    """List the serial ports, what is behind them, and what keeps you from opening them.

    Exit codes: 0 there is one; 1 there is none.
    """
    from bench.gesture import port_table
    from bench.gesture.ports import ports as find

    found = find()
    port_table.show(found, as_json)
    if not found:
        raise typer.Exit(1)


@app.command()
def record(
    port: SensorPort,
    label: Annotated[str, typer.Option(help="What the gesture is called, such as LtoR.")],
    count: Annotated[int, typer.Option(min=1, max=9999, help="How many there shall be of it in the folder.")] = 150,
    person: Annotated[str | None, typer.Option(help="Who makes them: tests by person need it.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The session's folder; without it recordings/PERSON-DATE.")
    ] = None,
    baud: Baud = 115200,
    threshold: Threshold = None,
    patience: Patience = 20.0,
    rate: Rate = 100.0,
) -> None:
    """Cut gestures out of the sensor's stream, and save each as soon as it ends.

    \b
    bench gesture record --port /dev/ttyUSB0 --label LtoR --count 150 --person ana
    bench gesture record --port /tmp/sensor --label RtoL --count 10 --out mine

    Hold the sensor still for three seconds: from that come the gyroscope's bias
    and the energy at which a gesture begins. Then make the gesture, and rest
    for half a second, again and again.

    Each gesture is a CSV file that is on the disk before the next begins. Ctrl-C,
    unplugging and a crash lose none; the same command goes on where it stopped,
    and never overwrites. An unplugged sensor is waited for.

    Exit codes: 0 all recorded; 1 the sensor was lost on the way; 2 bad input, or
    nothing that could be read came; 130 interrupted.
    """
    from bench.gesture import record_display, recorder

    code = record_display.record(
        lambda notice: recorder.Recorder(
            port,
            baud,
            label,
            count,
            person,
            out or recorder.default_folder(person),
            rate_hz=rate,
            threshold=threshold,
            patience_s=patience,
            notice=notice,
        )
    )
    if code:
        raise typer.Exit(code)


@app.command()
def simulate(
    link: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also make a link of this name, to give as --port.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only these gestures, LtoR or RtoL, in turn; both without it.")
    ] = None,
    people: Annotated[int, typer.Option(min=1, max=1000, help="So many people hand the sensor on.")] = 1,
    person: Annotated[int, typer.Option(min=0, help="The number of the first of them.")] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many gestures, once nobody listens.")] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Play recorded files, a CSV or a folder of them, rather than simulate."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1, max=100_000, help="Samples a second; 100, or what the recording's clock says."),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Send so many times faster than life.")] = 1.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=VALUE]", help="noise, half-lines, loss, unplug, silence or wrong-baud; repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the motion and the faults.")] = 0,
) -> None:
    """Be a virtual MPU6050 on a pseudo-terminal, which the other commands open like a device.

    \b
    bench gesture simulate --link /tmp/sensor     both gestures in turn
    bench gesture simulate --label LtoR --count 150 --people 5
    bench gesture simulate --replay FOLDER        recorded files, at their speed
    bench gesture simulate --fault noise --fault half-lines=0.1
    bench gesture simulate --link /tmp/sensor --fault unplug=10

    \b
    Faults, and what VALUE is:
      noise=0.02         share of the lines with wrong bytes in them
      half-lines=0.02    share of the lines whose end never comes
      loss=0.02          share of the lines that never come
      unplug=10          seconds until it is unplugged, for 1 s, repeatedly
      silence=5          seconds until it says nothing more
      wrong-baud=38400   the rate it sends at, whatever the reader believes

    It prints its path on standard output, and what it does on standard error.
    It moves only while somebody listens, after 3.5 s of rest to calibrate on.
    """
    from bench.gesture import simulating

    simulating.simulate(
        link=link,
        labels=label,
        people=range(person, person + people),
        count=count,
        replay=replay,
        rate_hz=rate,
        speed=speed,
        trouble=fault or [],
        seed=seed,
    )


@app.command()
def train(
    out: Annotated[Path, typer.Option(metavar="MODEL.npz", help="The file to write.")],
    source: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Recordings; without it the simulator's, 150 of each gesture."),
    ] = None,
    axes: Annotated[str, typer.Option(help="all, accelerometer or gyroscope.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Of the folds, and of the simulator's movements.")] = 0,
) -> None:
    """Train the study's PCA + SVM, and tell how well it recognises what it never saw.

    \b
    bench gesture train --out model.npz                          from the simulator's movements
    bench gesture train --source recordings --out model.npz      from your own

    Whole people are held out, where there are several; else whole sessions; else
    shuffled samples: five folds at most. Scaling and PCA are fitted, and
    components, C and gamma chosen, on the rest alone. The file holds plain arrays, described in
    docs/gesture-live.md, and needs no scikit-learn to be used.
    """
    from bench.gesture import train_display

    train_display.train(source, out, axes, seed)


@app.command()
def watch(
    port: SensorPort,
    model: Annotated[
        Path | None, typer.Option(metavar="MODEL.npz", help="Also tell the gestures, by what train made.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="No window: a film, out.mp4 or out.gif, or the last frame, out.png."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.5, max=86400, help="Stop after so long; with --save 10 without it.")
    ] = None,
    terminal: Annotated[bool, typer.Option("--terminal", help="Draw in the terminal, as over ssh.")] = False,
    baud: Baud = 115200,
    threshold: Threshold = None,
    patience: Patience = 20.0,
    rate: Rate = 100.0,
) -> None:
    """Watch the six axes live, the energy with its threshold, and the movements cut out.

    \b
    bench gesture watch --port /dev/ttyUSB0
    bench gesture watch --port /tmp/sensor --model model.npz
    bench gesture watch --port /tmp/sensor --save out.gif --seconds 10

    A window, 30 frames a second; where there is no display, the terminal. How many
    frames were really drawn is told at the end. Close the window or Ctrl-C to end.

    Exit codes: 0 watched; 1 the sensor was lost on the way; 2 bad input, or nothing
    that could be read came; 130 interrupted before --seconds were over.
    """
    from bench.gesture import watching

    if save is not None and seconds is None:
        seconds = 10.0
    code = watching.watch(port, model, baud, threshold, patience, rate, save, seconds, terminal)
    if code:
        raise typer.Exit(code)


@app.command()
def classify(
    port: SensorPort,
    model: Annotated[Path, typer.Option(metavar="MODEL.npz", help="What bench gesture train made.")],
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many gestures.")] = None,
    say: Annotated[bool, typer.Option("--say", help="Also speak, by spd-say, espeak or say.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line a gesture.")] = False,
    baud: Baud = 115200,
    threshold: Threshold = None,
    patience: Patience = 20.0,
    rate: Rate = 100.0,
) -> None:
    """Say which gesture it was, with how likely that is, as soon as it has ended.

    \b
    bench gesture classify --port /dev/ttyUSB0 --model model.npz
    bench gesture classify --port /tmp/sensor --model model.npz --count 10 --json

    The latency counts from the last sample of the movement: first the stillness
    that makes sure that it ended, then the answer. Ctrl-C ends it.

    Exit codes: 0 done; 1 the sensor was lost on the way; 2 bad input, or nothing
    that could be read came; 130 interrupted before there were --count.
    """
    from bench.gesture import classifying

    code = classifying.classify(port, model, baud, threshold, patience, rate, count, say, as_json)
    if code:
        raise typer.Exit(code)
