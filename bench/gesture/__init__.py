"""Hand gestures of a six-axis sensor: from the wire to what is recognised."""
