"""Running graphs: with all blobs kept, as fast as possible, backward, timed."""
