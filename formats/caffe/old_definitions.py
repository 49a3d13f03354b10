"""The layers of the two older versions of the format, in the notation of `definitions`: V1 (`layers`, types as an
enum), and V0, where each entry of `layers` holds its parameters in a field `layer` and its type in lower case."""

OLD_LAYER_MESSAGES = """
message V1LayerParameter
    enum LayerType
        NONE=0 ACCURACY=1 BNLL=2 CONCAT=3 CONVOLUTION=4 DATA=5 DROPOUT=6 EUCLIDEAN_LOSS=7 FLATTEN=8 HDF5_DATA=9
        HDF5_OUTPUT=10 IM2COL=11 IMAGE_DATA=12 INFOGAIN_LOSS=13 INNER_PRODUCT=14 LRN=15 MULTINOMIAL_LOGISTIC_LOSS=16
        POOLING=17 RELU=18 SIGMOID=19 SOFTMAX=20 SOFTMAX_LOSS=21 SPLIT=22 TANH=23 WINDOW_DATA=24 ELTWISE=25 POWER=26
        SIGMOID_CROSS_ENTROPY_LOSS=27 HINGE_LOSS=28 MEMORY_DATA=29 ARGMAX=30 THRESHOLD=31 DUMMY_DATA=32 SLICE=33
        MVN=34 ABSVAL=35 SILENCE=36 CONTRASTIVE_LOSS=37 EXP=38 DECONVOLUTION=39 BN=1000040
    enum DimCheckMode STRICT=0 PERMISSIVE=1
    repeated string bottom=2 top=3
    string name=4
    repeated NetStateRule include=32 exclude=33
    LayerType type=5
    repeated BlobProto blobs=6
    repeated string param=1001
    repeated DimCheckMode blob_share_mode=1002
    repeated float blobs_lr=7 weight_decay=8 loss_weight=35
    AccuracyParameter accuracy_param=27
    ArgMaxParameter argmax_param=23
    ConcatParameter concat_param=9
    ContrastiveLossParameter contrastive_loss_param=40
    ConvolutionParameter convolution_param=10
    DataParameter data_param=11
    DropoutParameter dropout_param=12
    DummyDataParameter dummy_data_param=26
    EltwiseParameter eltwise_param=24
    ExpParameter exp_param=41
    HDF5DataParameter hdf5_data_param=13
    HDF5OutputParameter hdf5_output_param=14
    HingeLossParameter hinge_loss_param=29
    ImageDataParameter image_data_param=15
    InfogainLossParameter infogain_loss_param=16
    InnerProductParameter inner_product_param=17
    LRNParameter lrn_param=18
    MemoryDataParameter memory_data_param=22
    MVNParameter mvn_param=34
    PoolingParameter pooling_param=19
    PowerParameter power_param=21
    ReLUParameter relu_param=30
    SigmoidParameter sigmoid_param=38
    SoftmaxParameter softmax_param=39
    SliceParameter slice_param=31
    TanHParameter tanh_param=37
    ThresholdParameter threshold_param=25
    WindowDataParameter window_data_param=20
    TransformationParameter transform_param=36
    LossParameter loss_param=42
    BNParameter bn_param=1000045
    V0LayerParameter layer=1
message V0LayerParameter
    enum PoolMethod MAX=0 AVE=1 STOCHASTIC=2
    string name=1 type=2
    uint32 num_output=3
    bool biasterm=4[true]
    FillerParameter weight_filler=5 bias_filler=6
    uint32 pad=7[0] kernelsize=8 group=9[1] stride=10[1]
    PoolMethod pool=11[MAX]
    float dropout_ratio=12[0.5]
    uint32 local_size=13[5]
    float alpha=14[1] beta=15[0.75] k=22[1]
    string source=16
    float scale=17[1]
    string meanfile=18
    uint32 batchsize=19 cropsize=20[0]
    bool mirror=21[false]
    repeated BlobProto blobs=50
    repeated float blobs_lr=51 weight_decay=52
    uint32 rand_skip=53[0]
    float det_fg_threshold=54[0.5] det_bg_threshold=55[0.5] det_fg_fraction=56[0.25]
    uint32 det_context_pad=58[0]
    string det_crop_mode=59[warp]
    int32 new_num=60[0] new_channels=61[0] new_height=62[0] new_width=63[0]
    bool shuffle_images=64[false]
    uint32 concat_dim=65[1]
    HDF5OutputParameter hdf5_output_param=1001
"""
