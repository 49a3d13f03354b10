"""Text nets as estimators of scikit-learn, which `caffe64.sklearn` exports.

    X [N, F] -> columns of mean 0, deviation 1 -> inp F B / hidden / lin K / sce or l2l -> classes, or targets [N, K]

classifier, regressor    the public classes Classifier and Regressor
base                     what they share: the arguments, training, rows that are held back
nets                     the net of the arguments
weights                  weights of rows and of classes

The data say the number of inputs and outputs, the arguments all else. They are checked by `fit`, not before, as
scikit-learn wants it.
"""
