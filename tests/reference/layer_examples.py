"""A small layer of each type that a Caffe file may have, with parameters that are not the defaults."""

from __future__ import annotations

from typing import NamedTuple

PICTURE = "2 6 8 8"


class Example(NamedTuple):
    """`bottoms`: their shapes; `text`: the parameters of the layer."""

    bottoms: tuple[str, ...] = (PICTURE,)
    text: str = ""
    tops: int = 1


def one(text="", shape=PICTURE, tops=1):
    return Example((shape,), text, tops)


CONVOLUTION = "num_output: 6 kernel_size: 3 pad: 1 stride: 2"
DETECTION = "num_classes: 3 share_location: true background_label_id: 1 code_type: CENTER_SIZE keep_top_k: 5"
MULTIBOX = "num_classes: 3 share_location: true overlap_threshold: 0.4 neg_pos_ratio: 2 neg_overlap: 0.4"
PRIORS = "min_size: 3 max_size: 6 aspect_ratio: 2 flip: false clip: true variance: 0.2 step: 4 offset: 0.25"
PROPOSAL = "ratio: 0.5 ratio: 2 scale: 3 base_size: 8 feat_stride: 8 min_size: 4 pre_nms_topn: 60 post_nms_topn: 9"
YOLO = "num_classes: 3 confidence_threshold: 0.2 nms_threshold: 0.4 num_box: 2"
SOURCE = 'source: "none" batch_size: 2'

EXAMPLES: dict[str, list[Example]] = {
    "AbsVal": [one()],
    "Accuracy": [Example(("4 3", "4"), "accuracy_param { top_k: 2 ignore_label: 1 }", 2)],
    "ArgMax": [one("argmax_param { top_k: 2 axis: 1 }"), one("argmax_param { out_max_val: true }")],
    "Axpy": [Example(("2 6 1 1", PICTURE, PICTURE)), Example(("2 6", PICTURE, PICTURE))],
    "BN": [
        one("bn_param { bn_mode: INFERENCE }"),
        one("bn_param { bn_mode: LEARN }", tops=3),
        one("bn_param { momentum: 0.8 eps: 0.01 frozen: true }"),
    ],
    "BNLL": [one()],
    "BatchNorm": [one("batch_norm_param { eps: 0.01 moving_average_fraction: 0.8 use_global_stats: false }")],
    "BatchReindex": [Example(("4 3 2", "6"))],
    "Bias": [one("bias_param { axis: 1 num_axes: 2 }"), Example((PICTURE, "6 8"), "bias_param { axis: 1 }")],
    "CTCGreedyDecoder": [one("ctc_decoder_param { blank_index: -1 ctc_merge_repeated: false }", "7 2 5")],
    "CenterLoss": [Example(("6 3", "6"), "center_loss_param { num_output: 4 axis: 1 }")],
    "Clip": [one("clip_param { min: -0.5 max: 0.25 }")],
    "Concat": [Example((PICTURE, "2 3 8 8"), "concat_param { axis: 1 }")],
    "ContrastiveLoss": [Example(("6 3", "6 3", "6"), "contrastive_loss_param { margin: 2 legacy_version: true }")],
    "Convolution": [
        one(f"convolution_param {{ {CONVOLUTION} group: 2 dilation: 2 bias_term: false }}"),
        one("convolution_param { num_output: 4 kernel_h: 3 kernel_w: 1 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0 }"),
    ],
    "ConvolutionDepthwise": [one(f"convolution_param {{ {CONVOLUTION} }}")],
    "Crop": [Example((PICTURE, "2 6 5 4"), "crop_param { axis: 2 offset: 1 offset: 2 }")],
    "CropCenter": [one("crop_center_param { crop_size: 0 crop_size: 1 crop_size: 2 crop_size: 0 }")],
    "Data": [Example((), f"data_param {{ {SOURCE} }} transform_param {{ crop_size: 8 }}", 2)],
    "Deconvolution": [one(f"convolution_param {{ {CONVOLUTION} group: 2 }}")],
    "DepthwiseConvolution": [one(f"convolution_param {{ {CONVOLUTION} group: 6 }}")],
    "DetectionOutput": [
        Example(
            ("2 40", "2 30", "1 2 40"),
            f"detection_output_param {{ {DETECTION} variance_encoded_in_target: true confidence_threshold: 0.1"
            " nms_param { nms_threshold: 0.4 top_k: 8 eta: 0.9 } }",
        )
    ],
    "Dropout": [one("dropout_param { dropout_ratio: 0.4 scale_train: false }")],
    "DummyData": [Example((), 'dummy_data_param { shape { dim: 2 dim: 3 } data_filler { type: "gaussian" std: 2 } }')],
    "ELU": [one("elu_param { alpha: 0.5 }")],
    "Eltwise": [Example((PICTURE, PICTURE), "eltwise_param { operation: SUM coeff: 1 coeff: -2 }")],
    "Embed": [one("embed_param { num_output: 3 input_dim: 5 bias_term: false }", "4 2")],
    "EuclideanLoss": [Example(("4 3", "4 3"))],
    "Exp": [one("exp_param { base: 2 scale: 0.5 shift: 1 }")],
    "Filter": [Example(("4 3 2", "4 1")), Example(("4 3", "4 2", "4"), "", 2)],
    "Flatten": [one("flatten_param { axis: 1 end_axis: 2 }")],
    "HDF5Data": [Example((), f"hdf5_data_param {{ {SOURCE} }}", 2)],
    "HDF5Output": [Example((PICTURE, "2"), 'hdf5_output_param { file_name: "none" }', 0)],
    "HSigmoid": [one()],
    "HSwish": [one()],
    "HardSigmoid": [one("hard_sigmoid_param { alpha: 0.3 beta: 0.4 }")],
    "HardSwish": [one()],
    "HingeLoss": [Example(("4 3", "4"), "hinge_loss_param { norm: L2 }")],
    "Im2col": [one("convolution_param { kernel_h: 2 kernel_w: 3 stride: 2 dilation: 1 pad_h: 1 pad_w: 2 }")],
    "ImageData": [Example((), f"image_data_param {{ {SOURCE} }} transform_param {{ crop_size: 8 }}", 2)],
    "InfogainLoss": [Example(("4 3", "4", "3 3"), "loss_param { ignore_label: 1 normalization: FULL }", 2)],
    "InnerProduct": [one("inner_product_param { num_output: 4 bias_term: false axis: 2 transpose: true }")],
    "Input": [Example((), "input_param { shape { dim: 2 dim: 3 } }")],
    "Interp": [
        one("interp_param { height: 5 width: 9 pad_beg: -1 pad_end: -2 }"),
        one("interp_param { shrink_factor: 2 zoom_factor: 3 }"),
    ],
    "LRN": [
        one("lrn_param { local_size: 3 alpha: 0.5 beta: 0.5 k: 2 }"),
        one("lrn_param { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }"),
    ],
    "LSTM": [
        Example(("5 2 3", "5 2"), "recurrent_param { num_output: 4 }"),
        Example(("3 2 3", "3 2", "2 5", "1 2 4", "1 2 4"), "recurrent_param { num_output: 4 expose_hidden: true }", 3),
    ],
    "LSTMUnit": [Example(("1 2 3", "1 2 12", "1 2"), "", 2)],
    "Log": [one("log_param { base: 2 scale: 0.5 shift: 9 }")],
    "Lstm": [
        Example(("5 2 3", "10"), "lstm_param { num_output: 4 clipping_threshold: 0.5 }"),
        one("lstm_param { num_output: 4 batch_size: 2 }", "6 3"),
    ],
    "MVN": [one("mvn_param { normalize_variance: false across_channels: true eps: 0.01 }")],
    "MemoryData": [Example((), "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }", 2)],
    "Mish": [one()],
    "MultiBoxLoss": [
        Example(
            ("2 24", "2 18", "1 2 24", "1 1 3 8"),
            f"multibox_loss_param {{ {MULTIBOX} loc_loss_type: L2 loc_weight: 2 code_type: CORNER_SIZE }}",
        )
    ],
    "MultinomialLogisticLoss": [Example(("4 3", "4"))],
    "Normalize": [one("norm_param { across_spatial: false channel_shared: false eps: 0.01 }")],
    "PReLU": [one("prelu_param { channel_shared: true }")],
    "PSROIPooling": [
        Example(("2 8 9 8", "3 5"), "psroi_pooling_param { spatial_scale: 0.5 output_dim: 2 group_size: 2 }")
    ],
    "Parameter": [Example((), "parameter_param { shape { dim: 2 dim: 3 } }")],
    "Permute": [one("permute_param { order: 0 order: 2 order: 3 order: 1 }")],
    "Pooling": [
        one("pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 round_mode: FLOOR }"),
        one("pooling_param { kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 }", tops=2),
        one("pooling_param { global_pooling: true pool: AVE }"),
    ],
    "Power": [one("power_param { power: 2 scale: 0.5 shift: 0.25 }")],
    "PriorBox": [Example((PICTURE, "2 3 32 32"), f"prior_box_param {{ {PRIORS} }}")],
    "Proposal": [
        Example(("1 4 5 6", "1 8 5 6", "1 4"), f"proposal_param {{ {PROPOSAL} nms_thresh: 0.5 }}", 2),
    ],
    "RNN": [
        Example(("5 2 3", "5 2", "2 4"), "recurrent_param { num_output: 3 }"),
        Example(("3 2 3", "3 2", "1 2 3"), "recurrent_param { num_output: 3 expose_hidden: true }", 2),
    ],
    "ROIPooling": [Example((PICTURE, "3 5"), "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.5 }")],
    "ReLU": [one("relu_param { negative_slope: 0.1 }")],
    "ReLU6": [one("relu6_param { negative_slope: 0.1 }")],
    "Reduction": [one("reduction_param { operation: MEAN axis: 1 coeff: 2 }")],
    "Reorg": [one("reorg_param { stride: 2 }", "2 8 4 6"), one("reorg_param { stride: 2 reverse: true }", "2 8 3 2")],
    "Reshape": [one("reshape_param { shape { dim: 0 dim: -1 dim: 3 } axis: 0 num_axes: 2 }", "2 6 2 2")],
    "Reverse": [one("reverse_param { axis: 2 }")],
    "ReverseTime": [Example(("5 2 3", "2"), "reverse_time_param { copy_remaining: true }")],
    "SELU": [one("selu_param { alpha: 1.5 lambda: 1.2 }")],
    "SPP": [one("spp_param { pyramid_height: 2 pool: AVE }")],
    "Scale": [
        one("scale_param { axis: 1 num_axes: 2 bias_term: true }"),
        Example((PICTURE, "2 6"), "scale_param { axis: 0 }"),
    ],
    "SeLu": [one("selu_param { alpha: 1.5 lambda: 1.2 }")],
    "ShuffleChannel": [one("shuffle_channel_param { group: 3 }")],
    "Sigmoid": [one()],
    "SigmoidCrossEntropyLoss": [Example(("4 3", "4 3"), "loss_param { ignore_label: 1 normalization: FULL }")],
    "Silence": [Example((PICTURE, "2"), "", 0)],
    "Slice": [one("slice_param { axis: 1 slice_point: 2 slice_point: 3 }", tops=3)],
    "SmoothL1Loss": [
        Example(("4 3", "4 3"), "smooth_l1_loss_param { sigma: 2 }"),
        Example(("4 3", "4 3", "4 3", "4 3"), "smooth_l1_loss_param { sigma: 2 }"),
        Example(("2 3 4 5", "2 3 4 5", "2 3 4 5"), "loss_param { normalization: BATCH_SIZE }"),
    ],
    "Softmax": [one("softmax_param { axis: 2 }")],
    "SoftmaxWithLoss": [Example(("4 3", "4"), "loss_param { ignore_label: 1 normalization: FULL }")],
    "Split": [one(tops=2)],
    "Swish": [one("swish_param { beta: 0.5 }")],
    "TanH": [one()],
    "Threshold": [one("threshold_param { threshold: 0.5 }")],
    "Tile": [one("tile_param { axis: 2 tiles: 3 }")],
    "Transpose": [one("transpose_param { dim: 3 dim: 0 dim: 1 dim: 2 }")],
    "Upsample": [
        one("upsample_param { scale: 3 }"),
        Example((PICTURE, PICTURE), "upsample_param { scale: 2 pad_out_h: true }"),
        Example((PICTURE, PICTURE), "upsample_param { scale_h: 2 scale_w: 3 }"),
        Example((PICTURE, PICTURE), "upsample_param { upsample_h: 17 upsample_w: 15 }"),
    ],
    "WindowData": [Example((), f"window_data_param {{ {SOURCE} }} transform_param {{ crop_size: 8 }}", 2)],
    "YoloDetectionOutput": [
        one(f"yolo_detection_output_param {{ {YOLO} biases: 0.7 biases: 0.9 biases: 2.4 biases: 2.6 }}", "1 16 5 5")
    ],
    "Yolov3DetectionOutput": [
        Example(
            ("2 16 3 3", "2 16 6 6"),
            f"yolov3_detection_output_param {{ {YOLO} biases: 8 biases: 9 biases: 20 biases: 25 biases: 30 biases: 40"
            " biases: 50 biases: 60 mask: 2 mask: 3 mask: 0 mask: 1 anchors_scale: 32 anchors_scale: 16"
            " mask_group_num: 2 }",
        )
    ],
}


def example_net(kind: str, example: Example, phase: str = "TEST") -> str:
    """A net of inputs "x0", "x1", ... and the layer "y" with tops "y0", "y1", ..."""
    text = 'name: "example"\n'
    for number, shape in enumerate(example.bottoms):
        dims = " ".join(f"dim: {side}" for side in shape.split())
        text += f'layer {{ name: "x{number}" type: "Input" top: "x{number}" input_param {{ shape {{ {dims} }} }} }}\n'
    bottoms = " ".join(f'bottom: "x{number}"' for number in range(len(example.bottoms)))
    tops = " ".join(f'top: "y{number}"' for number in range(example.tops))
    return f'{text}layer {{ name: "y" type: "{kind}" {bottoms} {tops} {example.text} }}\n'
