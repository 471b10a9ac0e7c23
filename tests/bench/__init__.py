"""Speed as ratios: every contestant in one process, interleaved chunk by chunk, CPU time, medians."""
