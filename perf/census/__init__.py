"""How many of a folder's prototxts caffe64 opens, and why it does not open the rest.

kinds.py     nets, solvers, other texts            stages.py    how far one net gets
reasons.py   why it gets no further                child.py     that, in a process of its own, with bounds
census.py    all files of a folder                 table.py     tables, and JSON
"""
