"""Caffe nets from Python: `load_caffe` and the functions of Caffe nets; the root of the package exports them.

load.py          load_caffe;  load_onnx.py: load_onnx
net.py           CaffeNet, a net that runs forward and backward
blob.py          Array: values and gradients of a blob or of weights
layers.py        layers and tables of a net as in pycaffe
gradients.py     of blobs and of weights
batches.py       more rows than a net takes at a time
weights.py       weights copied or shared between nets, and written
reading.py       the graph of a .prototxt and the weights of a .caffemodel
optimize.py      optimize
verify.py        verify
summary.py       Summary: shapes and costs, layer by layer (`summaries.py` has the function, for text nets too)
timing.py        time -> Timing
drawing.py       draw -> Drawing;  drawn.py: a graph -> a DrawnNet;  layer_labels.py: the texts of its boxes
notebook.py      a net as HTML for notebooks
pictures.py      how pictures become the inputs of a net
classification.py    classify -> Classification
classifier.py    Classifier, pycaffe's way from pictures to probabilities
export.py        ONNX and safetensors
pycaffe.py       the constructor of pycaffe, and modes
pycaffe_words.py its phases, and hints for missing ones
"""
