"""The only part that marries stages, reads and writes: plan in, run folder out."""
