"""The real jobs, each a thin, readable file on top of the framework.

Every project has three functions that the command line calls: one that trains and leaves a run
folder, `evaluate(run)` and `predict(run, files)` for a run of its own.
"""
