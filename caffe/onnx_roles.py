"""What ONNX operators are in a picture: their kinds, which give the colour, and Caffe's layers that they resemble."""

from __future__ import annotations

KINDS_OF_OPERATORS = {  # keys of `drawing.kinds`
    "conv": "Conv ConvTranspose",
    "dense": "Gemm MatMul",
    "pool": "MaxPool AveragePool GlobalMaxPool GlobalAveragePool ReduceMean ReduceSum ReduceL1 ReduceL2 "
    "ReduceSumSquare ReduceMax ReduceMin",
    "norm": "BatchNormalization InstanceNormalization GroupNormalization LRN",
    "act": "Relu LeakyRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Swish Mish Tanh Softplus Clip Exp Log Abs "
    "Sqrt Neg Pow Reciprocal Dropout",
    "join": "Add Sub Mul Div Sum Max Min Mean Concat Split Where Equal Greater Less",
    "shape": "Reshape Flatten Transpose Squeeze Unsqueeze Slice Gather Pad Resize Upsample DepthToSpace SpaceToDepth "
    "Expand Tile Identity Cast Shape Size ConstantOfShape Range NonZero GatherElements GatherND ScatterElements "
    "ScatterND",
    "output": "Softmax LogSoftmax ArgMax ArgMin TopK NonMaxSuppression",
}
LAYERS = {  # that keep their names where a Caffe net becomes an ONNX model, or the other way round
    "Conv": "Convolution",
    "ConvTranspose": "Deconvolution",
    "Gemm": "InnerProduct",
    "MatMul": "InnerProduct",
    "MaxPool": "Pooling",
    "AveragePool": "Pooling",
    "GlobalMaxPool": "Pooling",
    "GlobalAveragePool": "Pooling",
    "BatchNormalization": "BatchNorm",
    "Relu": "ReLU",
    "LeakyRelu": "ReLU",
    "PRelu": "PReLU",
    "Elu": "ELU",
    "Selu": "SELU",
    "Tanh": "TanH",
    "Abs": "AbsVal",
    "Softplus": "BNLL",
    "Transpose": "Permute",
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Sum", "Max", "Min"), "Eltwise"),
}
_KIND = {name: kind for kind, names in KINDS_OF_OPERATORS.items() for name in names.split()}


def kind_of_operator(name: str) -> str:
    """The key of its kind, "" for operators beyond CNNs."""
    return _KIND.get(name, "")
