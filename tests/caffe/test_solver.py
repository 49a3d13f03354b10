"""caffe64.Solver: pycaffe's names, and trainings without a solver file."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from reference.solver_cases import SolverCase
from support import needs_shared

import caffe64
from caffe64 import Diverged, InputError, NotFinite, Solver, UsageError

HEAD = """
layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 1 dim: 1 dim: 6 dim: 6 } shape { dim: 1 } } }"""
MEMORY = """
layer { name: "in" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 10 channels: 1 height: 6 width: 6 } }"""
PICTURES = """
layer { name: "in" type: "Data" top: "data" top: "label" include { phase: PHASE }
  data_param { source: "nowhere" batch_size: 12 backend: LMDB } transform_param { scale: 0.5 crop_size: 4 } }"""
BODY = """
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3
  weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 3
  weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
NET = HEAD + BODY
DATABASE_NET = PICTURES.replace("PHASE", "TRAIN") + PICTURES.replace("PHASE", "TEST") + BODY


def examples(count=90, seed=0):
    """Noise with a bright stripe, whose place is the class."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, 3, count)
    pictures = draws.normal(0, 0.3, (count, 1, 6, 6)).astype(np.float32)
    pictures[np.arange(count), 0, 2 * labels] += 1
    return pictures, labels


def weights(solver):
    return np.concatenate([blob.data.ravel() for blobs in solver.net.params.values() for blob in blobs])


def trained(steps=5, **options):
    solver = Solver(net=NET, base_lr=0.1, momentum=0.9, data=examples(), **options)
    solver.step(steps)
    return solver


# As in pycaffe


@needs_shared
@pytest.mark.parametrize("name", ["solver_sgd", "solver_adam", "iter_size", "batchnorm"])
def test_steps_are_real_caffes(name, tmp_path, monkeypatch):
    case = SolverCase(name, tmp_path)
    monkeypatch.chdir(case.path)
    solver = caffe64.get_solver("solver.prototxt")
    solver.net.copy_from(case.options["weights"])
    size = solver.param.iter_size
    for update in case.updates("w")[1:-1]:
        solver.step(update - solver.iter)
        for (layer, number), expected in case.at("w", update).items():
            found = solver.net.params[layer][number].data
            np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    losses = case.arrays["train/loss"][: solver.iter * size].reshape(-1, size).mean(axis=1)
    np.testing.assert_allclose(solver.history.loss, losses, rtol=1e-4)
    assert solver.history.iterations.tolist() == list(range(solver.iter))
    test = solver.history.tests[0]
    at = case.arrays["test0/iter"]
    for iteration, loss in zip(test.iterations, test.loss, strict=True):
        assert loss == pytest.approx(case.arrays["test0/loss"][at == iteration].mean(), rel=1e-4)


def test_diff_holds_what_was_subtracted():
    solver = trained(3)
    before = {name: [blob.data.copy() for blob in blobs] for name, blobs in solver.net.params.items()}
    solver.step(1)
    for name, blobs in solver.net.params.items():
        for blob, old in zip(blobs, before[name], strict=True):
            assert np.abs(blob.diff).max() > 0
            np.testing.assert_array_equal(blob.data, old - blob.diff)


def test_blobs_are_those_of_the_last_pass_and_forward_takes_the_next_batch():
    solver = trained(2)
    first = solver.net.blobs["data"].data.copy()
    loss = solver.net.blobs["loss"].data.copy()
    assert loss == pytest.approx(solver.history.loss[-1], rel=1e-6)
    solver.net.forward()
    assert not np.array_equal(first, solver.net.blobs["data"].data)
    ahead, other = solver.net.blobs["data"].data.copy(), trained(3)
    np.testing.assert_array_equal(other.net.blobs["data"].data, ahead)  # which a step would have taken


def test_blobs_that_are_looked_at_later_are_those_of_the_last_pass():
    """With the weights from before the update; BatchNorm's statistics and the weights' gradients stay."""
    norm = 'layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }'
    text = HEAD + BODY.replace('layer { name: "relu"', f'{norm} layer {{ name: "relu"')
    early, late = (Solver(net=text, base_lr=0.1, data=examples()) for _ in range(2))
    early.net.blobs["conv"].diff  # noqa: B018
    early.step(3)
    late.step(3)
    steps = {name: [blob.diff.copy() for blob in blobs] for name, blobs in late.net.params.items()}
    for name in ("conv", "ip", "loss"):
        for kind in ("data", "diff"):
            expected, found = (getattr(solver.net.blobs[name], kind) for solver in (early, late))
            assert np.abs(expected).max() > 0
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max(), err_msg=name)
    for name, blobs in late.net.params.items():
        for blob, step, other in zip(blobs, steps[name], early.net.params[name], strict=True):
            np.testing.assert_array_equal(blob.diff, step)
            np.testing.assert_allclose(blob.data, other.data, rtol=1e-4, atol=1e-6)
    early.step(2)
    late.step(2)
    np.testing.assert_allclose(weights(late), weights(early), rtol=1e-3, atol=1e-5)


def test_gradients_that_are_written_after_a_step_do_not_change_its_blobs():
    early, late = (Solver(net=NET, base_lr=0.1, data=examples()) for _ in range(2))
    early.net.blobs["conv"].data  # noqa: B018
    for solver in (early, late):
        solver.step(2)
        solver.net.params["ip"][0].diff[...] = 7
        solver.net.clear_param_diffs()
    expected, found = (solver.net.blobs["conv"].data for solver in (early, late))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not late.net.params["ip"][0].diff.any()


def test_weights_that_are_written_between_steps_count():
    one, other = trained(2), trained(2)
    for solver in (one, other):
        solver.net.params["conv"][0].data[...] *= 0.5
        solver.net.params["ip"][1].data[0] += 1
    one.step(2)
    state = weights(one)
    other.step(2)
    np.testing.assert_array_equal(weights(other), state)
    assert not np.allclose(weights(trained(4)), state)


def test_test_nets_have_the_weights_of_the_train_net():
    solver = Solver(net=NET, base_lr=0.1, data=examples(), test_data=examples(20, 1), test_interval=1000)
    solver.step(3)
    np.testing.assert_array_equal(solver.test_nets[0].params["ip"][0].data, solver.net.params["ip"][0].data)
    assert set(solver.test_nets[0].forward()) == {"accuracy", "loss"}


def test_callbacks_come_around_the_gradients():
    solver, seen = trained(0), []
    solver.add_callback(
        lambda: seen.append(("start", solver.iter)),
        lambda: seen.append(("gradients", solver.iter, float(np.abs(solver.net.params["ip"][0].diff).max()) > 0)),
        lambda: seen.append(("after", solver.iter)),
    )
    solver.step(2)
    one = [("start", 0), ("gradients", 0, True), ("after", 1)]
    assert seen == [*one, ("start", 1), ("gradients", 1, True), ("after", 2)]


def test_gradients_that_a_callback_writes_are_used():
    solver = trained(0, lr_policy="fixed")
    before = weights(solver)
    solver.add_callback(on_gradients_ready=lambda: solver.net.clear_param_diffs())
    solver.step(3)
    np.testing.assert_array_equal(weights(solver), before)


def test_what_a_callback_raises_leaves_the_iteration_undone():
    solver, other = trained(2), trained(2)
    before, asked = weights(solver), []

    def stop():
        asked.append(1)
        if len(asked) == 1:
            raise KeyboardInterrupt

    solver.add_callback(stop)
    with pytest.raises(KeyboardInterrupt):
        solver.step(1)
    np.testing.assert_array_equal(weights(solver), before)
    solver.step(2)
    other.step(2)
    np.testing.assert_array_equal(weights(solver), weights(other))


def test_an_own_loop_is_a_step():
    one, other = trained(1), trained(1)
    one.step(1)
    other.net.clear_param_diffs()
    other.net.forward()
    other.net.backward()
    other.apply_update()
    np.testing.assert_array_equal(weights(one), weights(other))
    assert other.iter == 2


def test_memory_data_is_fed_by_set_input_arrays():
    solver = Solver(net=MEMORY + BODY, base_lr=0.1)
    with pytest.raises(UsageError, match=r"nothing gives the net 'data' and 'label'"):
        solver.step(1)
    solver.net.set_input_arrays(*examples(40))
    solver.step(30)
    assert solver.history.loss[-5:].mean() < solver.history.loss[:5].mean()


def test_inputs_that_are_written_by_hand():
    solver, (pictures, labels) = Solver(net=NET, base_lr=0.1), examples(1)
    solver.net.blobs["data"].data[...], solver.net.blobs["label"].data[...] = pictures, labels
    solver.step(1)
    assert np.isfinite(solver.history.loss).all()


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_the_classes_of_pycaffe(kind, tmp_path):
    file, net = tmp_path / "solver.prototxt", tmp_path / "net.prototxt"
    net.write_text(NET)
    file.write_text(f'net: "{net}" base_lr: 0.01 lr_policy: "fixed" type: "Adam"')
    solver = getattr(caffe64, f"{kind}Solver")(str(file))
    assert isinstance(solver, Solver)
    assert solver.type == kind
    assert caffe64.get_solver(file).type == "Adam"
    with pytest.raises(UsageError, match=f"expected '{kind}'"):
        getattr(caffe64, f"{kind}Solver")(str(file), type="Adam" if kind == "SGD" else "SGD")


def test_param_has_the_settings_and_a_rate_that_can_be_set():
    solver = trained(1)
    assert (solver.param.base_lr, solver.param.momentum) == (np.float32(0.1), np.float32(0.9))
    solver.param.base_lr = 0
    solver.step(1)
    assert solver.history.rate.tolist() == [np.float32(0.1), 0]
    with pytest.raises(UsageError, match="momentum cannot be set"):
        solver.param.momentum = 0
    with pytest.raises(UsageError, match="base_lr is 'x'"):
        solver.param.base_lr = "x"
    with pytest.raises(AttributeError, match="no setting 'rate'"):
        _ = solver.param.rate


# Without a solver file


def test_arrays_train_a_net_and_all_rows_are_a_test():
    solver = Solver(
        net=NET, type="Adam", momentum=0.9, base_lr=0.01, data=examples(), test_data=examples(50, 1), batch_size=16,
        max_iter=60,
    )  # fmt: skip
    history = solver.solve()
    assert solver.param.test_iter == (4,)
    assert solver.param.test_interval == 6
    assert history.tests[0].iterations.tolist() == list(range(0, 61, 6))
    scores = history.tests[0].scores["accuracy"]
    assert scores.shape == (11,)
    pictures, labels = examples(50, 1)
    net = solver.test_nets[0]
    net.forward(data=pictures, label=labels)
    assert scores[-1] == pytest.approx(float(net.blobs["accuracy"].data), abs=1e-6)
    assert scores[-1] > 0.9
    assert solver.test()[0]["accuracy"] == scores[-1]


def test_a_history_is_a_table_and_arrays():
    solver = trained(3, test_data=examples(9, 1))
    text, history = str(solver.history), solver.history
    assert text.splitlines()[0].split() == ["iteration", "loss", "rate", "test", "accuracy", "test", "loss"]
    assert text.splitlines()[-1].split()[0] == "3"
    assert "<table>" in history._repr_html_()
    assert history.loss.dtype == history.rate.dtype == np.float32
    assert (len(history.loss), len(history.tests[0].loss)) == (3, 2)
    assert '"iterations"' in history.to_json()
    assert str(Solver(net=NET, data=examples()).history) == "no iteration yet"


def test_a_net_that_is_loaded_is_trained_itself():
    net = caffe64.load_caffe(NET.encode(), seed=3)
    kept, before = net.params["ip"][0].data, net.params["ip"][0].data.copy()
    solver = Solver(net=net, base_lr=0.1, data=examples())
    solver.step(2)
    assert not np.array_equal(kept, before)
    np.testing.assert_array_equal(kept, solver.net.params["ip"][0].data)
    pictures, labels = examples(4)
    assert set(net.forward(data=pictures, label=labels)) == {"accuracy", "loss"}  # of the phase TEST, as it was


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_net_with_data_layers_that_is_loaded_for_a_phase_has_both(phase):
    net = caffe64.load_caffe(DATABASE_NET.encode(), phase=phase, input_shapes={"data": (1, 1, 4, 4)})
    solver = Solver(net=net, base_lr=0.1, data=examples(), test_data=examples(20, 1))
    solver.step(2)
    assert solver.net.blobs["data"].shape == (12, 1, 4, 4)
    assert solver.net.graph.phase == "TRAIN"
    assert solver.test_nets[0].graph.phase == "TEST"


def test_arrays_take_the_place_of_python_layers():
    layer = 'layer { name: "in" type: "Python" top: "data" top: "label" python_param { module: "m" layer: "L" } }'
    with pytest.raises(InputError, match=r"Solver\(..., data=...\)"):
        Solver(net=layer + BODY)
    solver = Solver(net=layer + BODY, base_lr=0.1, data=examples(), batch_size=7)
    solver.step(2)
    assert solver.net.blobs["data"].shape == (7, 1, 6, 6)


def test_arrays_take_the_place_of_data_layers_and_go_through_their_transform():
    solver = Solver(net=DATABASE_NET, base_lr=0, data=examples(), test_data=examples(30, 1), seed=2)
    solver.step(1)
    assert solver.net.blobs["data"].shape == (12, 1, 4, 4)
    pictures, labels = examples(30, 1)
    solver.test_nets[0].forward()
    solver.test_nets[0].forward()  # the test took all 30, in 12 + 12 + 6
    np.testing.assert_array_equal(solver.test_nets[0].blobs["label"].data, labels[12:24])
    np.testing.assert_array_equal(solver.test_nets[0].blobs["data"].data, pictures[12:24, :, 1:5, 1:5] * 0.5)


def test_bytes_are_pictures_as_well():
    pictures, labels = examples()
    numbers = np.clip(100 * pictures + 100, 0, 255).astype(np.uint8)
    one = Solver(net=DATABASE_NET, base_lr=0.001, data=(numbers, labels))
    other = Solver(net=DATABASE_NET, base_lr=0.001, data=(numbers.astype(np.float64), labels))
    one.step(3)
    other.step(3)
    np.testing.assert_array_equal(weights(one), weights(other))


def test_batches_of_python_code():
    pictures, labels = examples(60)
    batches = [{"data": pictures[at : at + 20], "label": labels[at : at + 20]} for at in (0, 20, 40)]

    class Source:
        def __iter__(self):
            return iter(batches)

    def endless():
        while True:
            yield from batches

    found = []
    for data in (batches, Source(), endless()):
        solver = Solver(net=NET, base_lr=0.1, data=data, test_data=batches, test_iter=3, test_interval=4)
        solver.step(7)
        found.append(weights(solver))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_data_and_settings_take_the_place_of_those_of_a_file(tmp_path):
    file, net = tmp_path / "solver.prototxt", tmp_path / "net.prototxt"
    net.write_text(DATABASE_NET)
    file.write_text(f'net: "{net}" base_lr: 0.01 lr_policy: "fixed" test_iter: 2 test_interval: 5 max_iter: 100')
    solver = Solver(file, data=examples(), test_data=examples(30), max_iter=3, snapshot_after_train=False)
    solver.solve()
    assert solver.iter == 3
    assert solver.param.test_iter == (2,)  # as the file says


# Snapshots, threads, wrong use


@pytest.mark.parametrize("kind", ["BINARYPROTO", "HDF5"])
def test_a_training_that_goes_on_has_the_bits_of_one_that_did_not_stop(kind, tmp_path):
    options = {"snapshot_prefix": str(tmp_path / "s"), "snapshot_format": kind, "type": "Adam", "momentum": 0.9}
    first = Solver(net=NET, base_lr=0.01, data=examples(), batch_size=20, **options)
    first.step(7)
    model, state = first.snapshot()
    assert model.endswith("s_iter_7.caffemodel" + ".h5" * (kind == "HDF5"))
    first.step(7)
    second = Solver(net=NET, base_lr=0.01, data=examples(), batch_size=20, **options)
    second.restore(state)
    assert second.iter == 7
    second.step(7)
    np.testing.assert_array_equal(weights(first), weights(second))
    assert second.history.iterations.tolist() == list(range(7, 14))


@pytest.mark.parametrize("given_first", [True, False])
def test_rows_of_memory_go_on_where_they_were(given_first, tmp_path, monkeypatch):
    """Whether they are given before the state is restored or after it; into a folder, by the name of the solver."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    shape = "batch_size: 2 channels: 1 height: 2 width: 3"
    layer = f'name: "in" type: "MemoryData" top: "x" top: "y" memory_data_param {{ {shape} }}'
    ip = 'name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 }'
    loss = 'name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss"'
    (tmp_path / "net.prototxt").write_text("".join(f"layer {{ {each} }}\n" for each in (layer, ip, loss)))
    settings = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 8 snapshot_prefix: "out"'
    (tmp_path / "small.prototxt").write_text(settings)
    draws = np.random.default_rng(0)
    rows = draws.normal(size=(10, 1, 2, 3)), draws.integers(0, 3, 10)
    first = Solver("small.prototxt")
    first.net.set_input_arrays(*rows)
    first.step(3)
    model, state = first.snapshot()
    assert model == "out/small_iter_3.caffemodel"
    first.step(5)
    second = Solver("small.prototxt")
    if given_first:
        second.net.set_input_arrays(*rows)
    second.restore(state)
    if not given_first:
        second.net.set_input_arrays(*rows)
    second.step(5)
    np.testing.assert_array_equal(first.net.params["ip"][0].data, second.net.params["ip"][0].data)


def test_the_result_depends_on_the_seed_and_not_on_threads():
    np.testing.assert_array_equal(weights(trained(threads=1)), weights(trained(threads=2)))
    np.testing.assert_array_equal(weights(trained(seed=5)), weights(trained(random_seed=5)))
    assert not np.array_equal(weights(trained(seed=5)), weights(trained(seed=6)))


def test_two_solvers_in_two_threads():
    found, expected = {}, weights(trained(20))

    def run(number):
        found[number] = weights(trained(20))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        np.testing.assert_array_equal(found[number], expected)


def test_a_loss_that_is_not_finite_stops_before_the_update():
    solver = trained(1)
    solver.net.params["ip"][0].data[...] = np.inf
    before = solver.net.params["conv"][0].data.copy()
    with pytest.raises(Diverged):
        solver.step(1)
    np.testing.assert_array_equal(solver.net.params["conv"][0].data, before)
    solver = trained(0, keep_going=True)
    solver.net.params["ip"][0].data[...] = np.inf
    solver.step(1)
    assert not np.isfinite(solver.history.loss).any()


def test_a_solver_is_not_pickled():
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UsageError, match="cannot be pickled"):
            attempt(trained(0))
    assert set(copy.deepcopy(trained(1).net).params) == {"conv", "ip"}  # a net can


def test_the_net_of_a_solver_keeps_its_weights():
    solver = trained(1)
    solver.net.share_with(trained(1).net)
    with pytest.raises(UsageError, match="has the weights of another one"):
        solver.step(1)


X, Y = examples(10)
WRONG = [
    ({}, "a solver has a file or a net"),
    ({"net": NET, "solver_file": "s.prototxt"}, "both given"),
    ({"net": 3}, "net is 3, expected the name of a .prototxt"),
    ({"data": X}, "data has 1 array, the net reads 'data' and 'label'"),
    ({"data": (X, Y[:5])}, r"rows, expected as many in all"),
    ({"data": (X, np.empty((0,)))}, r"data\['label'\] has the shape \[0\]"),
    ({"data": {"data": X}}, "no array for 'label'"),
    ({"data": {"data": X, "labels": Y}}, "an array for 'labels', expected one of 'data', 'label'"),
    ({"data": 5}, "data is of the type int, expected arrays"),
    ({"data": "train"}, "data is of the type str, expected arrays"),
    ({"data": [X, Y]}, "expected a dict of arrays"),
    ({"data": [{"data": X}]}, "without 'label'"),
    ({"test_data": (X, Y), "data": [{"data": X, "label": Y}]}, "no test_interval"),
    ({"test_data": [{}]}, "no test_iter"),
    ({"test_data": (X, Y), "test_iter": [1, 2]}, "for one test net, the solver has 2"),
    ({"test_iter": 3}, "there is no test_data"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"data": None, "batch_size": 3}, "batch_size was given without data"),
    ({"base_lr": "a"}, "base_lr is 'a'"),
    ({"max_iter": 1.5}, "max_iter is 1.5"),
    ({"learning_rate": 1}, "'learning_rate' is not a field"),
    ({"base_lrr": 1}, "did you mean 'base_lr'"),
    ({"type": "adam"}, "type is 'adam'"),
    ({"lr_policy": "cosine"}, "lr_policy is 'cosine'"),
    ({"lr_policy": "step"}, "stepsize: 0, expected positive"),
    ({"type": "AdaGrad", "momentum": 0.9}, "momentum: 0.9, expected none, for AdaGrad"),
    ({"snapshot": 4}, "there is no snapshot_prefix"),
    ({"snapshot_format": "NPZ"}, "snapshot_format is 'NPZ'"),
    ({"stages": "a"}, "stages is 'a'"),
    ({"seed": -1}, "seed is -1"),
    ({"threads": 0}, "threads is 0"),
    ({"keep_going": "no"}, "keep_going is 'no'"),
    ({"net": HEAD}, "the net has no loss"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(UsageError, match=message):
        Solver(**{"net": NET, "data": (X, Y), **options} if options else {})


def test_wrong_data_is_named():
    with pytest.raises(NotFinite, match=r"data\['data'\]: row 1"):
        Solver(net=NET, data=(X / np.inf * np.nan, Y))
    with pytest.raises(InputError, match=r"'label' holds [567]"):
        Solver(net=NET, base_lr=0.1, data=(X, Y + 5)).step(1)
    with pytest.raises(UsageError, match="expected pictures"):
        Solver(net=DATABASE_NET, data=(X.reshape(10, 36), Y))


def test_wrong_calls_are_named(tmp_path):
    solver = Solver(net=NET, data=(X, Y))
    with pytest.raises(UsageError, match="there is no max_iter"):
        solver.solve()
    with pytest.raises(UsageError, match="there is no snapshot_prefix"):
        solver.snapshot()
    with pytest.raises(UsageError, match="base_lr was not given, the learning rate: nothing would be learned"):
        solver.step(1)
    solver.param.base_lr = 0.1
    solver.step(1)
    with pytest.raises(UsageError, match=r"the data gave an array, expected a dict .* \(a tuple \(X, Y\) would be"):
        Solver(net=NET, base_lr=0.1, data=[X, Y])
    with pytest.raises(UsageError, match="the number of iterations is -1"):
        solver.step(-1)
    with pytest.raises(UsageError, match="on_start is 3"):
        solver.add_callback(3)
    with pytest.raises(InputError):
        solver.restore(tmp_path / "none.solverstate")
    with pytest.raises(AttributeError, match=r"as pycaffe has: other\.share_with"):
        _ = solver.share_weights
