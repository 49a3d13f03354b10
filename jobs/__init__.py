"""Many trainings and other jobs on processes of this machine or of a cluster, through `concurrent.futures.Executor`."""
