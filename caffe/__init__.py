"""Caffe nets from Python: what `load_caffe` and the functions of Caffe nets do; the root of the package exports them.

net.py           CaffeNet, a net that runs forward and backward
blob.py          Array: values and gradients of a blob or of weights
layers.py        layers and tables of a net as in pycaffe
gradients.py     of blobs and of weights
batches.py       more rows than a net takes at a time
weights.py       weights of one net taken over by another, and written
reading.py       the graph of a .prototxt and the weights of a .caffemodel
load.py          load_caffe, optimize, verify
classifier.py    Classifier, pictures to probabilities
export.py        ONNX and safetensors
pycaffe.py       the constructor of pycaffe, and modes
pycaffe_words.py its phases, and hints for what is not here
"""
