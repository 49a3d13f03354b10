"""The public names for type checkers, which do not see the imports on first use of `__init__.py`.

`tests/test_types.py` compares the names and their modules with those there.
"""

from . import dnn as dnn
from . import io as io
from . import kernels as kernels
from . import proto as proto
from . import sklearn as sklearn
from .api import EpochRecord as EpochRecord
from .api import Evaluation as Evaluation
from .api import History as History
from .api import LayerInfo as LayerInfo
from .api import Net as Net
from .api import Training as Training
from .caffe.classification import Classification as Classification
from .caffe.classification import classify as classify
from .caffe.classifier import Classifier as Classifier
from .caffe.data.own import DataSource as DataSource
from .caffe.drawing import Drawing as Drawing
from .caffe.drawing import draw as draw
from .caffe.export import export_onnx as export_onnx
from .caffe.export import export_safetensors as export_safetensors
from .caffe.load import load_caffe as load_caffe
from .caffe.load_onnx import load_onnx as load_onnx
from .caffe.net import CaffeNet as CaffeNet
from .caffe.optimize import Passes as Passes
from .caffe.optimize import Preparation as Preparation
from .caffe.optimize import optimize as optimize
from .caffe.own_layer import Layer as Layer
from .caffe.own_layer import LayerBlob as LayerBlob
from .caffe.pycaffe import set_device as set_device
from .caffe.pycaffe import set_mode_cpu as set_mode_cpu
from .caffe.pycaffe import set_mode_gpu as set_mode_gpu
from .caffe.pycaffe_words import TEST as TEST
from .caffe.pycaffe_words import TRAIN as TRAIN
from .caffe.register_layer import register_layer as register_layer
from .caffe.solver.history import SolverHistory as SolverHistory
from .caffe.solver.kinds import AdaDeltaSolver as AdaDeltaSolver
from .caffe.solver.kinds import AdaGradSolver as AdaGradSolver
from .caffe.solver.kinds import AdamSolver as AdamSolver
from .caffe.solver.kinds import NesterovSolver as NesterovSolver
from .caffe.solver.kinds import RMSPropSolver as RMSPropSolver
from .caffe.solver.kinds import SGDSolver as SGDSolver
from .caffe.solver.kinds import get_solver as get_solver
from .caffe.solver.public import Solver as Solver
from .caffe.summary import Summary as Summary
from .caffe.tensors import load_safetensors as load_safetensors
from .caffe.timing import Timing as Timing
from .caffe.timing import time as time
from .caffe.verify import verify as verify
from .engine.textnet.one_hot import OneHot as OneHot
from .errors import Caffe64Error as Caffe64Error
from .errors import CheckFailed as CheckFailed
from .errors import Diverged as Diverged
from .errors import FileMissing as FileMissing
from .errors import InputError as InputError
from .errors import Interrupted as Interrupted
from .errors import LabelError as LabelError
from .errors import NotFinite as NotFinite
from .errors import OutputError as OutputError
from .errors import UsageError as UsageError
from .formats.checkpoint import read_checkpoint as read_checkpoint
from .formats.checkpoint import write_checkpoint as write_checkpoint
from .formats.data import read_matrix as read_matrix
from .formats.network import NetSpec as NetSpec
from .formats.numbers import write_numbers as write_numbers
from .formats.optimizer import Optimizer as Optimizer
from .formats.optimizer import read_optimizer as read_optimizer
from .formats.optimizer import write_optimizer as write_optimizer
from .jobs.sweep import SweepResults as SweepResults
from .jobs.sweep import sweep as sweep
from .ranks.group import MpiGroup as MpiGroup
from .summaries import TextSummary as TextSummary
from .summaries import summary as summary

__version__: str
