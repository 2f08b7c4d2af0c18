"""Hand-written kernels for products, attention and dropout on a CPU."""
