"""Hand-written CPU kernels, all behind ``accelerate.accelerate``: no model knows of them."""
