"""Helpers around training: `utils.data` brings data to it in batches."""
