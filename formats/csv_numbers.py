"""CSV whose fields are all plain numbers, read by the kernels for text.   tables/reading.py -> [csv_numbers]"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..engine.team.threads import usable_threads
from .numbers import PART, scan_rows
from .record_survey import is_plain_csv


def read_plain_csv(
    path: str, text: np.ndarray, start: int, stop: int, separator: str, columns: int
) -> np.ndarray | None:
    """Lines of text[start:stop] as float32 [lines, columns], each number as `read_numbers` gives it; text, uint8
    [bytes], begins before `start`, and text[stop] is the end of a line.

    None unless each line holds `columns` numbers and nothing else: no blank, quote, missing value, nan or inf.
    """
    parts = range(start, stop, PART)
    with ThreadPoolExecutor(usable_threads()) as threads:
        checks = threads.map(lambda at: is_plain_csv.run(text, at, min(at + PART, stop), ord(separator)), parts)
        if not all(checks) or text[stop - 1] == ord(separator):
            return None
    end = stop + 1 if text[stop] == ord("\n") else stop + 2  # behind the line feed
    return scan_rows(path, text[start:end], columns)
