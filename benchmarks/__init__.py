"""The speed of Streetlight beside PyTorch and JAX; run it by `python -m benchmarks`."""
