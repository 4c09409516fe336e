"""The real jobs, each a thin, readable file on top of the framework.

The command line calls three functions of a project: one that trains and leaves a run folder,
and `evaluate(path)` and `predict(path, files)` for a run of its own.
"""
