"""`bench gesture`: a six-axis sensor from the wire on: ports, recording, and a virtual one."""

from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="""Hand gestures of a six-axis sensor, an MPU6050 on a serial port.

    \b
    bench gesture ports                                which ports there are
    bench gesture simulate --link /tmp/sensor          a virtual sensor, if you have none
    bench gesture record --port /tmp/sensor --label LtoR --count 150

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
