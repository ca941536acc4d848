"""Gestures of a hand that holds a six-axis sensor: from the serial line to windows of a fixed length."""
