"""Programs of OpenCV's kind: the same text with `cv2.dnn` and with `caffe64.dnn` comes to the same results."""

from __future__ import annotations

import numpy as np
import pytest
from reference import dnn_nets
from reference.dnn_nets import write_net
from support import SHARED

import caffe64.dnn

TOLERANCE = 1e-5  # of the largest magnitude
FACES = """
net = dnn.readNetFromCaffe(prototxt, model)
(h, w) = image.shape[:2]
blob = dnn.blobFromImage(image, 1.0, (64, 64), (104.0, 177.0, 123.0))
net.setInput(blob)
detections = net.forward()
found = []
for i in range(0, detections.shape[2]):
    confidence = detections[0, 0, i, 2]
    if confidence > 0.3:
        box = detections[0, 0, i, 3:7] * np.array([w, h, w, h])
        (startX, startY, endX, endY) = box.round(1)
        found.append([detections[0, 0, i, 1], confidence, startX, startY, endX, endY])
assert found
result = [np.array(found), detections]
"""
CLASSES = """
net = dnn.readNet(model, prototxt)
net.setPreferableBackend(dnn.DNN_BACKEND_OPENCV)
net.setPreferableTarget(dnn.DNN_TARGET_CPU)
blob = dnn.blobFromImage(image, 1 / 58.8, (32, 32), (104, 117, 123), swapRB=True, crop=True)
net.setInput(blob, "data")
preds = net.forward()
idxs = np.argsort(preds[0])[::-1][:5]
t, _ = net.getPerfProfile()
assert t > 0
result = [idxs, preds[0][idxs], np.array(net.getUnconnectedOutLayers())]
"""
POSE = """
net = dnn.readNetFromCaffe(prototxt, model)
inpBlob = dnn.blobFromImage(image, 1.0 / 255, (48, 48), (0, 0, 0), swapRB=False, crop=False)
net.setInput(inpBlob)
output = net.forward()
H, W = output.shape[2], output.shape[3]
points = []
for i in range(5):
    probMap = output[0, i, :, :]
    y, x = np.unravel_index(probMap.argmax(), probMap.shape)
    points.append((image.shape[1] * x / W, image.shape[0] * y / H, probMap.max()))
result = [output, np.array(points), net.forward("parts"), net.forward("conv1/relu")]
"""
AGES = """
MODEL_MEAN_VALUES = (78.4263377603, 87.7689143744, 114.895847746)
blob = dnn.blobFromImage(image, 1.0, (32, 32), MODEL_MEAN_VALUES, swapRB=False)
ageNet = dnn.readNet(model, prototxt)
genderNet = dnn.readNet(*others)
genderNet.setInput(blob)
genderPreds = genderNet.forward()
gender = ["Male", "Female"][genderPreds[0].argmax()]
ageNet.setInput(blob)
agePreds = ageNet.forward()
age = agePreds[0].argmax()
result = [genderPreds, agePreds, np.array([age, gender == "Male"])]
"""
COLOURS = """
net = dnn.readNetFromCaffe(prototxt, model)
pts = hull.transpose().reshape(2, 13, 1, 1)
class8 = net.getLayerId("class8_ab")
conv8 = net.getLayerId("conv8_313_rh")
net.getLayer(class8).blobs = [pts.astype("float32")]
net.getLayer(conv8).blobs = [np.full([1, 13], 2.606, dtype="float32")]
L = image[:, :, 0].astype("float32") / 255 * 100 - 50
net.setInput(dnn.blobFromImage(L, 1.0, (32, 32)))
ab = net.forward()[0, :, :, :].transpose((1, 2, 0))
result = [ab]
"""
TEXT = """
net = dnn.readNet(prototxt, model)
blob = dnn.blobFromImage(image, 1.0, (64, 64), (123.68, 116.78, 103.94), swapRB=True, crop=False)
net.setInput(blob, "", 0.02, (0, 0, 0))
outNames = ["scores", "distances"]
(scores, geometry) = net.forward(outNames)
rects, confidences = [], []
for y in range(scores.shape[2]):
    for x in range(scores.shape[3]):
        if scores[0, 0, y, x] < 0.5:
            continue
        top, right, bottom, left = geometry[0, :, y, x]
        rects.append([float(x * 4 - left), float(y * 4 - top), float(left + right), float(top + bottom)])
        confidences.append(float(scores[0, 0, y, x]))
assert rects
kept = dnn.NMSBoxes(rects, confidences, 0.5, 0.4)
result = [scores, geometry, np.sort(np.array(kept).flatten())]
"""
PROGRAMS = {
    "face detector": (FACES, dnn_nets.ssd()),
    "classification": (CLASSES, dnn_nets.classifier(10)),
    "pose": (POSE, dnn_nets.pose()),
    "age and gender": (AGES, dnn_nets.classifier(8)),
    "colouring": (COLOURS, dnn_nets.colouring()),
    "text detection": (TEXT, dnn_nets.text_detector()),
}


def pictures() -> list[np.ndarray]:
    """A random one, and real ones where they are: BGR."""
    random = np.random.default_rng(5).integers(0, 256, (90, 130, 3), np.uint8)
    cv2 = pytest.importorskip("cv2")
    names = ("caffe/face68/10.jpg", "caffe64/facades/000048.png", "caffe64/image_reco/ep_med.jpg")
    return [random, *(cv2.imread(str(SHARED / name)) for name in names if (SHARED / name).exists())]


def run(text: str, module, **names) -> list[np.ndarray]:
    scope = {"dnn": module, "np": np, **names}
    exec(compile(text, "program", "exec"), scope)
    return scope["result"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_comes_to_the_same_results_by_another_import(name, tmp_path):
    cv2 = pytest.importorskip("cv2")
    text, net = PROGRAMS[name]
    missing = ("class8_ab", "conv8_313_rh") if name == "colouring" else ()
    (tmp_path / "others").mkdir()
    names = dict(zip(("prototxt", "model"), write_net(tmp_path, net, without=missing), strict=True))
    names["others"] = write_net(tmp_path / "others", dnn_nets.classifier(2), seed=1)[::-1]
    names["hull"] = np.random.default_rng(0).uniform(-90, 90, (13, 2))
    for image in pictures():
        found, expected = (run(text, module, image=image, **names) for module in (caffe64.dnn, cv2.dnn))
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * max(1e-30, np.abs(theirs).max()))
