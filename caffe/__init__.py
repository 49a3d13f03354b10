"""Caffe nets from Python: what `load_caffe` and the functions of Caffe nets do; the root of the package exports them.

load.py          load_caffe
net.py           CaffeNet, a net that runs forward and backward
blob.py          Array: values and gradients of a blob or of weights
layers.py        layers and tables of a net as in pycaffe
gradients.py     of blobs and of weights
batches.py       more rows than a net takes at a time
weights.py       weights of one net taken over by another, and written
reading.py       the graph of a .prototxt and the weights of a .caffemodel
optimize.py      optimize
verify.py        verify
summary.py       Summary: shapes and costs, layer by layer (`summaries.py` has the function, for text nets too)
timing.py        time -> Timing
drawing.py       draw -> Drawing;  drawn.py: a graph -> what is drawn of it;  layer_labels.py: what its boxes say
notebook.py      what a notebook shows of a net
pictures.py      how pictures become the inputs of a net
classification.py    classify -> Classification
classifier.py    Classifier, pycaffe's way from pictures to probabilities
export.py        ONNX and safetensors
pycaffe.py       the constructor of pycaffe, and modes
pycaffe_words.py its phases, and hints for what is not here
"""
