"""The parameters of forks' layers that resize pictures and move values, in the notation of `definitions`."""

MOVE_LAYER_MESSAGES = """
message CropCenterParameter
    repeated int32 crop_size=2
message InterpParameter
    int32 height=1[0] width=2[0] zoom_factor=3[1] shrink_factor=4[1] pad_beg=5[0] pad_end=6[0]
message ReorgParameter
    uint32 stride=1
    bool reverse=2[false]
message ReverseParameter
    int32 axis=1[0]
message ReverseTimeParameter
    bool copy_remaining=1[false]
message ShuffleChannelParameter
    uint32 group=1[1]
message TransposeParameter
    repeated int32 dim=1
message UpsampleParameter
    int32 scale=1 scale_h=2 scale_w=3
    bool pad_out_h=4[false] pad_out_w=5[false]
    int32 upsample_h=6 upsample_w=7
"""
