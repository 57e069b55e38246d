"""Values and mathematics of tracking; numpy and one assignment solver, no I/O."""
