"""Seeded changes of whole batches of pictures, so that a network sees each one ever anew."""
