"""The parameters of the layers, Caffe's own and those of forks, in the notation of `definitions`."""

LAYER_MESSAGES = """
message AccuracyParameter
    uint32 top_k=1[1]
    int32 axis=2[1] ignore_label=3
message ArgMaxParameter
    bool out_max_val=1[false]
    uint32 top_k=2[1]
    int32 axis=3
message BNParameter
    enum BNMode LEARN=0 INFERENCE=1
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    FillerParameter scale_filler=1000101 shift_filler=1000102
    BNMode bn_mode=1000103[LEARN]
    FillerParameter slope_filler=1000201 bias_filler=1000202
    float momentum=1000203[0.9] eps=1000204[1e-5]
    bool frozen=1000205[false]
    Engine engine=1000206[DEFAULT]
message BatchNormParameter
    bool use_global_stats=1
    float moving_average_fraction=2[0.999] eps=3[1e-5]
    bool disable_mean=1000004[false] disable_variance=1000005[false] relu=1000010[false]
    FillerParameter scale_filler=1000105 bias_filler=1000106
    bool scale_bias=1000107
message BiasParameter
    int32 axis=1[1] num_axes=2[1]
    FillerParameter filler=3
message ClipParameter
    float min=1 max=2
message ConcatParameter
    int32 axis=2[1]
    uint32 concat_dim=1[1]
message ContrastiveLossParameter
    float margin=1[1]
    bool legacy_version=2[false]
message ConvolutionParameter
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    uint32 num_output=1
    bool bias_term=2[true]
    repeated uint32 pad=3 kernel_size=4 stride=6 dilation=18
    uint32 pad_h=9[0] pad_w=10[0] kernel_h=11 kernel_w=12 stride_h=13 stride_w=14
    uint32 group=5[1]
    FillerParameter weight_filler=7 bias_filler=8
    Engine engine=15[DEFAULT]
    int32 axis=16[1]
    bool force_nd_im2col=17[false]
    enum FusionType NONE_FUSION=0 SUM_FUSION=1
    bool relu=1000019[false]
    float negative_slope=1000020[0]
    repeated uint32 shape_offset=1000021
    FusionType fusion_type=1000024[NONE_FUSION]
message CropParameter
    int32 axis=1[2]
    repeated uint32 offset=2
message DropoutParameter
    float dropout_ratio=1[0.5]
    bool scale_train=1000002[true] sample_weights_test=1000003[false]
message ELUParameter
    float alpha=1[1] lambda=1000002[1]
message EltwiseParameter
    enum EltwiseOp PROD=0 SUM=1 MAX=2
    EltwiseOp operation=1[SUM]
    repeated float coeff=2
    bool stable_prod_grad=3[true]
message EmbedParameter
    uint32 num_output=1 input_dim=2
    bool bias_term=3[true]
    FillerParameter weight_filler=4 bias_filler=5
message ExpParameter
    float base=1[-1] scale=2[1] shift=3[0]
message FlattenParameter
    int32 axis=1[1] end_axis=2[-1]
message HardSigmoidParameter
    float alpha=1[0.2] beta=2[0.5]
message HingeLossParameter
    enum Norm L1=1 L2=2
    Norm norm=1[L1]
message InfogainLossParameter
    string source=1
    int32 axis=2[1]
message InnerProductParameter
    uint32 num_output=1
    bool bias_term=2[true]
    FillerParameter weight_filler=3 bias_filler=4
    int32 axis=5[1]
    bool transpose=6[false] normalize=1000007[false] relu=1000008[false]
    float negative_slope=1000009[0]
message LRNParameter
    enum NormRegion ACROSS_CHANNELS=0 WITHIN_CHANNEL=1
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    uint32 local_size=1[5]
    float alpha=2[1] beta=3[0.75]
    NormRegion norm_region=4[ACROSS_CHANNELS]
    float k=5[1]
    Engine engine=6[DEFAULT]
message LogParameter
    float base=1[-1] scale=2[1] shift=3[0]
message LossParameter
    enum NormalizationMode FULL=0 VALID=1 BATCH_SIZE=2 NONE=3
    int32 ignore_label=1
    NormalizationMode normalization=3[VALID]
    bool normalize=2
message MVNParameter
    bool normalize_variance=1[true] across_channels=2[false]
    float eps=3[1e-9]
message PReLUParameter
    FillerParameter filler=1
    bool channel_shared=2[false]
message PoolingParameter
    enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    enum RoundMode CEIL=0 FLOOR=1
    PoolMethod pool=1[MAX]
    uint32 pad=4[0] pad_h=9[0] pad_w=10[0] kernel_size=2 kernel_h=5 kernel_w=6 stride=3[1] stride_h=7 stride_w=8
    Engine engine=11[DEFAULT]
    bool global_pooling=12[false]
    RoundMode round_mode=13[CEIL]
    bool ceil_mode=1000013[true] avg_include_pad=1000014[true]
message PowerParameter
    float power=1[1] scale=2[1] shift=3[0]
message PythonParameter
    string module=1 layer=2 param_str=3
    bool share_in_parallel=4[false]
message ReLUParameter
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    float negative_slope=1[0]
    Engine engine=2[DEFAULT]
    bool fuse=1000003[false]
message RecurrentParameter
    uint32 num_output=1[0]
    FillerParameter weight_filler=2 bias_filler=3
    bool debug_info=4[false] expose_hidden=5[false]
message ReductionParameter
    enum ReductionOp SUM=1 ASUM=2 SUMSQ=3 MEAN=4
    ReductionOp operation=1[SUM]
    int32 axis=2[0]
    float coeff=3[1]
message ReshapeParameter
    BlobShape shape=1
    int32 axis=2[0] num_axes=3[-1] pixelshuffler=1000004[1]
message SELUParameter
    float alpha=1[1.6732632] lambda=2[1.050701]
message SPPParameter
    enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    uint32 pyramid_height=1
    PoolMethod pool=2[MAX]
    Engine engine=6[DEFAULT]
message ScaleParameter
    int32 axis=1[1] num_axes=2[1]
    FillerParameter filler=3
    bool bias_term=4[false]
    FillerParameter bias_filler=5
message SigmoidParameter
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    Engine engine=1[DEFAULT]
message SliceParameter
    int32 axis=3[1]
    repeated uint32 slice_point=2
    uint32 slice_dim=1[1]
message SoftmaxParameter
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    Engine engine=1[DEFAULT]
    int32 axis=2[1]
message SwishParameter
    float beta=1[1]
message TanHParameter
    enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
    Engine engine=1[DEFAULT]
message ThresholdParameter
    float threshold=1[0]
message TileParameter
    int32 axis=1[1] tiles=2
"""

SSD_LAYER_MESSAGES = """
message PermuteParameter
    repeated uint32 order=1
message NormalizeParameter
    bool across_spatial=1[true]
    FillerParameter scale_filler=2
    bool channel_shared=3[true]
    float eps=4[1e-10]
message CenterLossParameter
    uint32 num_output=1
    FillerParameter center_filler=2
    int32 axis=3[1]
message LSTMParameter
    uint32 num_output=1
    float clipping_threshold=2[0]
    FillerParameter weight_filler=3 bias_filler=4
    uint32 batch_size=5[1]
message PriorBoxParameter
    enum CodeType CORNER=1 CENTER_SIZE=2 CORNER_SIZE=3
    repeated float min_size=1 max_size=2 aspect_ratio=3
    bool flip=4[true] clip=5[false]
    repeated float variance=6
    uint32 img_size=7 img_h=8 img_w=9
    float step=10 step_h=11 step_w=12 offset=13[0.5]
    repeated float offset_h=14 offset_w=15 width=16 height=17
message NonMaximumSuppressionParameter
    float nms_threshold=1[0.3]
    int32 top_k=2
    float eta=3[1]
message SaveOutputParameter
    string output_directory=1 output_name_prefix=2 output_format=3 label_map_file=4 name_size_file=5
    uint32 num_test_image=6
message DetectionOutputParameter
    enum CodeType CORNER=1 CENTER_SIZE=2 CORNER_SIZE=3
    uint32 num_classes=1
    bool share_location=2[true]
    int32 background_label_id=3[0]
    NonMaximumSuppressionParameter nms_param=4
    SaveOutputParameter save_output_param=5
    CodeType code_type=6[CORNER]
    int32 keep_top_k=7[-1]
    bool variance_encoded_in_target=8[false]
    float confidence_threshold=9
    bool visualize=10[false] normalized_bbox=1000010[true]
    float visualize_threshold=11 objectness_score=1000024
    string save_file=12
"""
