"""Reading and writing files of numbers, and reading tables, with caffe64 and with others: `Job`s for `worker`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

READERS = {"caffe64": "caffe64", "polars": "polars", "pandas": "pandas", "np.loadtxt": "numpy"}  # name -> package
TABLE_READERS = {"caffe64": "caffe64", "polars": "polars", "pandas": "pandas"}
WRITERS = {"caffe64": "caffe64", "polars": "polars", "pandas": "pandas", "np.savetxt": "numpy"}


class ReadJob:
    """Reads a text of numbers into float32 [rows, columns]. Raises ValueError if it comes out in another shape."""

    def __init__(self, reader: str, path: str, rows: int, columns: int):
        self.run = getattr(_Read, reader.removeprefix("np."))(path, columns)
        found = self.run().shape
        if found != (rows, columns):
            raise ValueError(f"{reader} read {found}, not {(rows, columns)}")
        self.facts = {}


class TableJob:
    """Reads a CSV with a header: caffe64 into X and Y, the others into their data frame alone, by default options.
    Raises ValueError if other than `rows` come out."""

    def __init__(self, reader: str, path: str, rows: int, target: str):
        self.run = getattr(_ReadTable, reader)(path, target)
        read = self.run()
        found = len(read[0] if reader == "caffe64" else read)
        if found != rows:
            raise ValueError(f"{reader} read {found} rows, not {rows}")
        self.facts = {}


class WriteJob:
    """Writes float32 [rows, columns] as text with six decimals; `facts` hold the bytes of the file."""

    def __init__(self, writer: str, path: str, rows: int, columns: int):
        values = np.random.default_rng(4).standard_normal((rows, columns), np.float32)
        self.run = getattr(_Write, writer.removeprefix("np."))(path, values)
        self.run()
        self.facts = {"bytes": Path(path).stat().st_size}


class _Read:
    """name(path, columns) -> a call that reads."""

    @staticmethod
    def caffe64(path, columns):
        from ... import read_matrix

        return lambda: read_matrix(path, None, columns)

    @staticmethod
    def polars(path, columns):
        import polars

        schema = {f"c{number}": polars.Float32 for number in range(columns)}
        return lambda: polars.read_csv(path, separator=" ", has_header=False, schema=schema).to_numpy()

    @staticmethod
    def pandas(path, columns):
        import pandas

        return lambda: pandas.read_csv(path, sep=" ", header=None, dtype=np.float32, engine="c").to_numpy()

    @staticmethod
    def loadtxt(path, columns):
        return lambda: np.loadtxt(path, np.float32)


class _ReadTable:
    """name(path, target) -> a call that reads."""

    @staticmethod
    def caffe64(path, target):
        from ... import Table

        def read():
            table = Table(path, target=target)
            return table.X, table.Y

        return read

    @staticmethod
    def polars(path, target):
        import polars

        return lambda: polars.read_csv(path)

    @staticmethod
    def pandas(path, target):
        import pandas

        return lambda: pandas.read_csv(path)


class _Write:
    """name(path, values) -> a call that writes."""

    @staticmethod
    def caffe64(path, values):
        from ... import write_numbers

        return lambda: write_numbers(path, values)

    @staticmethod
    def polars(path, values):
        import polars

        frame = polars.from_numpy(values)
        return lambda: frame.write_csv(path, separator=" ", include_header=False, float_precision=6)

    @staticmethod
    def pandas(path, values):
        import pandas

        frame = pandas.DataFrame(values)
        return lambda: frame.to_csv(path, sep=" ", header=False, index=False, float_format="%f")

    @staticmethod
    def savetxt(path, values):
        return lambda: np.savetxt(path, values, "%f")
