"""The mathematics of every figure, over arrays of what history stores."""
