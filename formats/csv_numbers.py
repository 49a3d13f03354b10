"""CSV whose fields are all plain numbers, read by the kernels for text.   tables/reading.py -> [csv_numbers]"""

from __future__ import annotations

import numpy as np

from .numbers import scan_rows
from .record_survey import is_plain_csv


def read_plain_csv(
    path: str, text: np.ndarray, start: int, stop: int, separator: str, columns: int
) -> np.ndarray | None:
    """Lines of text[start:stop] as float32 [lines, columns], each number as `read_numbers` gives it; text, uint8
    [bytes], begins before `start`, and text[stop] is the end of a line.

    None unless each line holds `columns` numbers and nothing else: no blank, quote, missing value, nan or inf.
    """
    if text[stop - 1] == ord(separator):
        return None
    end = stop + 1 if text[stop] == ord("\n") else stop + 2  # behind the line feed

    def is_plain(first: int, last: int) -> bool:
        return bool(is_plain_csv.run(text, start + first, min(start + last, stop), ord(separator)))

    return scan_rows(path, text[start:end], columns, is_plain)
