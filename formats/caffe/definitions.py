"""Caffe's messages in a compact notation, which `schema` turns into classes.

message NAME                          its fields follow, indented
    enum NAME VALUE=number ...        known inside this message
    [repeated|packed] TYPE field=number[default] ...

Names, numbers and defaults are those of BVLC Caffe. The layers of the SSD forks have other numbers in every fork
(Permute's parameters are field 148 in one, 202 in another): theirs are 1,000,000 higher than in SSD's own, where no
fork has anything; so are those of other forks' layers. So text is understood, and a fork's field in a binary file
stays an unknown field. The same holds for fields that forks have added to Caffe's own messages and that change a
layer's result; `fork_fields` defines their treatment, and which others may be left out.
"""

from .layer_definitions import LAYER_MESSAGES, SSD_LAYER_MESSAGES
from .move_definitions import MOVE_LAYER_MESSAGES
from .old_definitions import OLD_LAYER_MESSAGES
from .region_definitions import REGION_LAYER_MESSAGES
from .solver_definitions import SOLVER_MESSAGES

BLOB_MESSAGES = """
message BlobShape
    packed int64 dim=1
message BlobProto
    int32 num=1[0] channels=2[0] height=3[0] width=4[0]
    packed float data=5 diff=6
    BlobShape shape=7
    packed double double_data=8 double_diff=9
message Datum
    int32 channels=1 height=2 width=3 label=5
    bytes data=4
    repeated float float_data=6
    bool encoded=7[false]
message FillerParameter
    enum VarianceNorm FAN_IN=0 FAN_OUT=1 AVERAGE=2
    string type=1[constant]
    float value=2[0] min=3[0] max=4[1] mean=5[0] std=6[1]
    int32 sparse=7[-1]
    VarianceNorm variance_norm=8[FAN_IN]
"""

NET_MESSAGES = """
enum Phase TRAIN=0 TEST=1
message NetParameter
    string name=1
    repeated V1LayerParameter layers=2
    repeated string input=3
    repeated int32 input_dim=4
    bool force_backward=5[false]
    NetState state=6
    bool debug_info=7[false]
    repeated BlobShape input_shape=8
    repeated LayerParameter layer=100
message NetState
    Phase phase=1[TEST]
    int32 level=2[0]
    repeated string stage=3
message NetStateRule
    Phase phase=1
    int32 min_level=2 max_level=3
    repeated string stage=4 not_stage=5
message ParamSpec
    enum DimCheckMode STRICT=0 PERMISSIVE=1
    string name=1
    DimCheckMode share_mode=2
    float lr_mult=3[1] decay_mult=4[1]
message LayerParameter
    string name=1 type=2
    repeated string bottom=3 top=4
    repeated float loss_weight=5
    repeated ParamSpec param=6
    repeated BlobProto blobs=7
    repeated NetStateRule include=8 exclude=9
    Phase phase=10
    repeated bool propagate_down=11
    TransformationParameter transform_param=100
    LossParameter loss_param=101
    AccuracyParameter accuracy_param=102
    ArgMaxParameter argmax_param=103
    ConcatParameter concat_param=104
    ContrastiveLossParameter contrastive_loss_param=105
    ConvolutionParameter convolution_param=106
    DataParameter data_param=107
    DropoutParameter dropout_param=108
    DummyDataParameter dummy_data_param=109
    EltwiseParameter eltwise_param=110
    ExpParameter exp_param=111
    HDF5DataParameter hdf5_data_param=112
    HDF5OutputParameter hdf5_output_param=113
    HingeLossParameter hinge_loss_param=114
    ImageDataParameter image_data_param=115
    InfogainLossParameter infogain_loss_param=116
    InnerProductParameter inner_product_param=117
    LRNParameter lrn_param=118
    MemoryDataParameter memory_data_param=119
    MVNParameter mvn_param=120
    PoolingParameter pooling_param=121
    PowerParameter power_param=122
    ReLUParameter relu_param=123
    SigmoidParameter sigmoid_param=124
    SoftmaxParameter softmax_param=125
    SliceParameter slice_param=126
    TanHParameter tanh_param=127
    ThresholdParameter threshold_param=128
    WindowDataParameter window_data_param=129
    PythonParameter python_param=130
    PReLUParameter prelu_param=131
    SPPParameter spp_param=132
    ReshapeParameter reshape_param=133
    LogParameter log_param=134
    FlattenParameter flatten_param=135
    ReductionParameter reduction_param=136
    EmbedParameter embed_param=137
    TileParameter tile_param=138
    BatchNormParameter batch_norm_param=139
    ELUParameter elu_param=140
    BiasParameter bias_param=141
    ScaleParameter scale_param=142
    InputParameter input_param=143
    CropParameter crop_param=144
    ParameterParameter parameter_param=145
    RecurrentParameter recurrent_param=146
    SwishParameter swish_param=147
    ClipParameter clip_param=148
    BNParameter bn_param=1000045
    PermuteParameter permute_param=1000202
    PriorBoxParameter prior_box_param=1000203
    DetectionOutputParameter detection_output_param=1000204
    NormalizeParameter norm_param=1000206
    repeated string own_fields=1000300
    CTCDecoderParameter ctc_decoder_param=1000158
    MultiBoxLossParameter multibox_loss_param=1000201
    YoloDetectionOutputParameter yolo_detection_output_param=1000601
    Yolov3DetectionOutputParameter yolov3_detection_output_param=1000602
    PSROIPoolingParameter psroi_pooling_param=1010001
    ROIPoolingParameter roi_pooling_param=9266711
    SmoothL1LossParameter smooth_l1_loss_param=9266712
    ProposalParameter proposal_param=9266713
    ReLUParameter relu6_param=1000211
    SELUParameter selu_param=1000301
    HardSigmoidParameter hard_sigmoid_param=1000302
    UpsampleParameter upsample_param=1000137
    InterpParameter interp_param=1000143
    CropCenterParameter crop_center_param=1000149
    ReverseParameter reverse_param=1000160
    ReverseTimeParameter reverse_time_param=1000161
    ReorgParameter reorg_param=1000159
    ShuffleChannelParameter shuffle_channel_param=1000164
    TransposeParameter transpose_param=9266710
    CenterLossParameter center_loss_param=1000147
    LSTMParameter lstm_param=10266711
"""

DATA_LAYER_MESSAGES = """
message TransformationParameter
    float scale=1[1]
    bool mirror=2[false]
    uint32 crop_size=3[0]
    string mean_file=4
    repeated float mean_value=5
    bool force_color=6[false] force_gray=7[false]
message DataParameter
    enum DB LEVELDB=0 LMDB=1
    string source=1
    uint32 batch_size=4 rand_skip=7[0]
    DB backend=8[LEVELDB]
    float scale=2[1]
    string mean_file=3
    uint32 crop_size=5[0]
    bool mirror=6[false] force_encoded_color=9[false]
    uint32 prefetch=10[4]
message DummyDataParameter
    repeated FillerParameter data_filler=1
    repeated uint32 num=2 channels=3 height=4 width=5
    repeated BlobShape shape=6
message HDF5DataParameter
    string source=1
    uint32 batch_size=2
    bool shuffle=3[false]
message HDF5OutputParameter
    string file_name=1
message ImageDataParameter
    string source=1
    uint32 batch_size=4[1] rand_skip=7[0]
    bool shuffle=8[false]
    uint32 new_height=9[0] new_width=10[0]
    bool is_color=11[true]
    float scale=2[1]
    string mean_file=3
    uint32 crop_size=5[0]
    bool mirror=6[false]
    string root_folder=12
message InputParameter
    repeated BlobShape shape=1
message MemoryDataParameter
    uint32 batch_size=1 channels=2 height=3 width=4
message ParameterParameter
    BlobShape shape=1
message WindowDataParameter
    string source=1
    float scale=2[1]
    string mean_file=3
    uint32 batch_size=4 crop_size=5[0]
    bool mirror=6[false]
    float fg_threshold=7[0.5] bg_threshold=8[0.5] fg_fraction=9[0.25]
    uint32 context_pad=10[0]
    string crop_mode=11[warp]
    bool cache_images=12[false]
    string root_folder=13
"""

ALL = "".join(
    (
        *(BLOB_MESSAGES, NET_MESSAGES, DATA_LAYER_MESSAGES, LAYER_MESSAGES),
        *(SSD_LAYER_MESSAGES, REGION_LAYER_MESSAGES, MOVE_LAYER_MESSAGES, OLD_LAYER_MESSAGES),
        SOLVER_MESSAGES,
    )
)
