"""What optimisers of ONNX models fold, measured on models of a few operators each.

cases.py   the models      tools.py   the optimisers      table.py   runs all on all, and writes the table
"""
