"""The data of nets that are trained: what their data layers read, batch by batch."""
