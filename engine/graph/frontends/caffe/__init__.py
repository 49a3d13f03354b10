"""A NetParameter message -> graph, and back. Nothing else of the engine sees messages.

build.py         a net's layers as nodes            write.py        and back, what has changed and what has not
spell_out.py     layers that Caffe does not have, as several that it has
attributes.py    the attributes of each layer type, by its reader; windows.py, inputs.py and detection.py have those
                 that are more than fields of the same names (fields.py)
fork_fields.py   fields that are refused            said.py         what the file says of a layer, as texts
"""
