"""What trainings in shards and over ranks cost: `python -m caffe64.perf ranks`."""
