"""Register tiles and the matrix products and convolution sums made of them; the CPU's measured peak."""
