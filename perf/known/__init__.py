"""The kinds of Caffe nets that are best known, written here from their papers, with random weights:
docs/how-to/away-from-caffe.md shows what to do with each.

    nets.py      their names, and files of them      text.py        layers as text, of this and older versions
    classes.py   CaffeNet for ages, GoogLeNet        pixels.py      colourisation, HED, SegNet, FCN-8s
    pose.py      OpenPose                            single_shot.py the two SSD detectors
    regions.py   Faster R-CNN, R-FCN                 faces.py       MTCNN, RetinaFace
"""
