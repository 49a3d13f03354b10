"""The parameters of layers for regions and detections that forks of Caffe have, in the notation of `definitions`. Their
fields in LayerParameter clash between forks, so all have numbers that are 1,000,000 higher than in one of them."""

REGION_LAYER_MESSAGES = """
message ROIPoolingParameter
    uint32 pooled_h=1[0] pooled_w=2[0]
    float spatial_scale=3[1] pad_ratio=1000004[0]
message PSROIPoolingParameter
    float spatial_scale=1
    int32 output_dim=2 group_size=3
message ProposalParameter
    uint32 feat_stride=1[16] base_size=2[16] min_size=3[16]
    repeated float ratio=4 scale=5
    uint32 pre_nms_topn=6[6000] post_nms_topn=7[300]
    float nms_thresh=8[0.7]
message YoloDetectionOutputParameter
    uint32 side=1[13] num_classes=2[20] num_box=3[5] coords=4[4]
    float confidence_threshold=5[0.01] nms_threshold=6[0.45]
    repeated float biases=7
    string label_map_file=8
message Yolov3DetectionOutputParameter
    uint32 num_classes=1[20] num_box=2[3]
    float confidence_threshold=3[0.01] nms_threshold=4[0.45]
    repeated float biases=5
    repeated uint32 anchors_scale=6
    repeated uint32 mask=8
    uint32 mask_group_num=7[2]
    bool gaussian_box=9[false]
message SmoothL1LossParameter
    float sigma=1[1]
message MultiBoxLossParameter
    enum LocLossType L2=0 SMOOTH_L1=1
    enum ConfLossType SOFTMAX=0 LOGISTIC=1
    enum MatchType BIPARTITE=0 PER_PREDICTION=1
    enum CodeType CORNER=1 CENTER_SIZE=2 CORNER_SIZE=3
    enum MiningType NONE=0 MAX_NEGATIVE=1 HARD_EXAMPLE=2
    LocLossType loc_loss_type=1[SMOOTH_L1]
    ConfLossType conf_loss_type=2[SOFTMAX]
    float loc_weight=3[1]
    uint32 num_classes=4
    bool share_location=5[true]
    MatchType match_type=6[PER_PREDICTION]
    float overlap_threshold=7[0.5]
    bool use_prior_for_matching=8[true]
    uint32 background_label_id=9[0]
    bool use_difficult_gt=10[true] do_neg_mining=11
    float neg_pos_ratio=12[3] neg_overlap=13[0.5]
    CodeType code_type=14[CORNER]
    bool encode_variance_in_target=16[false] map_object_to_agnostic=17[false] ignore_cross_boundary_bbox=18[false]
    bool bp_inside=19[false]
    MiningType mining_type=20[MAX_NEGATIVE]
    NonMaximumSuppressionParameter nms_param=21
    int32 sample_size=22[64]
    bool use_prior_for_nms=23[false]
message CTCDecoderParameter
    int32 blank_index=1[0]
    bool ctc_merge_repeated=2[true]
"""
