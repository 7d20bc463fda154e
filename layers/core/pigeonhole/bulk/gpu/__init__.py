"""Bulk jobs on GPU workers: the runs, the tasks of a run, and what follows when a task fails."""
