"""Training of Caffe nets by solver files, as `caffe train` does it."""
