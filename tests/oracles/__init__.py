"""Independent computations that tests compare with: float64 NumPy, no code of the package."""
