"""Whether a change made training slower: pairs of processes, intervals, verdicts."""
