"""`caffe64.sklearn`: text nets as estimators of scikit-learn.

    from caffe64.sklearn import Classifier, Regressor
    Classifier(hidden=(100,), rate=0.02, epochs=50).fit(X, y).score(X_test, y_test)

The code is in estimators/, as this file has two names. The root of a checkout is the package, and it is on `sys.path`
of a Python that is started there, where `import sklearn` finds this file first; then it gives way to scikit-learn.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec


def _give_way() -> None:
    """Put scikit-learn in this module's place, which the import system then returns. Raises ImportError."""
    here = os.path.realpath(os.path.dirname(__file__))
    spec = PathFinder.find_spec("sklearn", [place for place in sys.path if os.path.realpath(place) != here])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    sys.modules["sklearn"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["sklearn"])


if __name__ == "sklearn":
    _give_way()
else:
    try:
        from .estimators.classifier import Classifier
        from .estimators.regressor import Regressor
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "sklearn":
            raise
        needs = "caffe64.sklearn needs scikit-learn: pip install 'caffe64[sklearn]'"
        raise ImportError(needs, name="sklearn") from None

    __all__ = ["Classifier", "Regressor"]
