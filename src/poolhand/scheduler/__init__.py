"""The workerpool's scheduler: deals become tasks, tasks become replicates, results become pay."""
