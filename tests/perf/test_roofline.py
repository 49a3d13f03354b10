"""The roofline picture."""

from __future__ import annotations

import pytest

from caffe64.perf.results import write_results

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_plot_draws_every_kernel(tmp_path, make_results, perf, suffix, magic):
    write_results(tmp_path / "run.json", make_results({"gemm 1x2x3 NN": 0.8, "rel_forward 3x4": 0.3}))
    picture = tmp_path / f"roof{suffix}"
    assert perf("plot", tmp_path / "run.json", picture).exit_code == 0
    assert picture.read_bytes().startswith(magic)


def test_the_figure_has_a_roof_a_level_and_a_point_a_kernel(make_results):
    from caffe64.perf.roofline import draw

    made = make_results({"gemm 1x2x3 NN": 0.8, "gemm 2x2x2 NN": 0.7, "rel_forward 3x4": 0.3})
    (axes,) = draw(made.entries, made.peaks["1"]).axes
    assert len(axes.lines) == 4
    assert sorted(len(points.get_offsets()) for points in axes.collections) == [1, 2]


def test_other_suffixes_and_results_without_kernels_are_refused(tmp_path, make_results, perf):
    write_results(tmp_path / "run.json", make_results({"gemm": 0.8}))
    assert perf("plot", tmp_path / "run.json", tmp_path / "roof.gif").exit_code == 2
    made = make_results({"gemm": 0.8})
    made.entries[0].suite = "train"
    write_results(tmp_path / "train.json", made)
    done = perf("plot", tmp_path / "train.json", tmp_path / "roof.png")
    assert done.exit_code == 2
    assert "no kernels" in done.stderr
    assert not (tmp_path / "roof.png").exists()
