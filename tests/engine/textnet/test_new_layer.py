"""A layer of the user's own, in its own file: the example that the documentation shows."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
import sys

import numpy as np
import pytest
from reference import text_net
from reference.child import TESTS, run_json
from reference.clouds import OPTIMIZER, classes
from reference.differences import at_places
from support import assert_close

import caffe64
from caffe64.engine.textnet.layers import TABLE, register
from caffe64.formats.network import GRAMMAR

ELU = TESTS / "data" / "elu.py"


@pytest.fixture
def elu(tmp_path):
    """The example layer, imported from a file of its own that knows nothing of this folder."""
    path = tmp_path / "elu.py"
    shutil.copy(ELU, path)
    found = importlib.util.spec_from_file_location("elu", path)
    module = importlib.util.module_from_spec(found)
    sys.modules["elu"] = module
    found.loader.exec_module(module)
    yield module
    del sys.modules["elu"], GRAMMAR["elu"], TABLE["elu"]


ELU_NET = "inp 6 10 / lin 9 -0.5 / elu 0.25 / elu 0.5 / lin 3 -0.5 / sce"


def test_a_layer_in_its_own_file_trains_from_a_network_file(elu, tmp_path):
    (tmp_path / "net.txt").write_text("6\n" + ELU_NET.replace(" / ", "\n") + "\n")
    net = caffe64.Net.read(tmp_path / "net.txt")
    assert net.layers[2].text == "elu 0.25"
    history = net.fit(*classes(), OPTIMIZER)
    assert history.loss[0] > 0.5 > 0.1 > history.loss[-1]
    assert net.evaluate(*classes(seed=2)).accuracy > 0.95


def test_outputs_and_gradient_of_the_new_layer_are_right(elu):
    net = caffe64.Net(ELU_NET)
    net.initialise(5)
    X, Y = classes(10)
    start = net.pack(net.parameters).astype(np.float64)

    def outputs(packed):
        values = X.astype(np.float64)
        cuts = np.split(packed, np.cumsum([54, 9, 27]))
        values = values @ cuts[0].reshape(6, 9) + cuts[1]
        for a in (0.25, 0.5):
            values = np.where(values > 0, values, a * np.expm1(np.minimum(values, 0)))
        return text_net.softmax(values @ cuts[2].reshape(9, 3) + cuts[3])

    def loss(packed):
        return -np.log(outputs(packed)[np.arange(10), Y.astype(int)]).sum()

    assert_close("posteriors", net.predict(X), outputs(start), 1e-6)
    run = caffe64.Training(net, X, Y, caffe64.Optimizer(10, 0, 1, 0, 0, 1), shuffle=False)
    run.run_epoch()  # rate = B: the velocity is the gradient
    assert_close("gradient", net.pack(run.velocity), at_places(loss, start, range(93), 1e-6), 1e-5)


def test_a_layers_word_is_checked_like_any_other(elu):
    with pytest.raises(caffe64.InputError, match="a, a number from 0 to 10"):
        caffe64.Net(ELU_NET.replace("0.25", "10.5"))


def test_a_layer_may_not_take_a_built_in_word(elu):
    word = dataclasses.replace(elu.WORD, name="rel")
    with pytest.raises(caffe64.UsageError, match="'rel' is taken"):
        register(dataclasses.replace(elu.LAYER, word=word))


def test_a_second_process_compiles_nothing_of_the_new_layer(elu, tmp_path):
    code = """
import json
import elu
import numpy as np
elu.forward(*(np.zeros(s, np.float32) for s in ((1, 2), 0, 1, (1, 2), 0)))
print(json.dumps(elu.forward.compile_seconds))
"""
    settings = {"PYTHONPATH": tmp_path, "XDG_CACHE_HOME": tmp_path, "NUMBA_CACHE_DIR": None}
    assert run_json(code, **settings) > 0
    assert run_json(code, **settings) == 0
