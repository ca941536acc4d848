"""Cross-validation: cells that differ only in which fold is held out, told together."""
