"""Tables: columns with names -> the numbers that a net takes, and its outputs -> labels.

reading, csv_layout, text_columns, frames    a file or data frame -> RawTable
columns_fit                                  a RawTable -> TableColumns: categories, means, scales, labels
columns                                      a RawTable by its TableColumns -> X [N, F], Y [N] or [N, T]
table, bundle                                the public classes Table and Bundle
"""
