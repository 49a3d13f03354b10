"""The cases of onnx.backend.test (of onnx 1.23) that the front end for ONNX takes, without their prefix `test_`; any
other case must be right or refused.

Not among them is resize_downsample_scales_linear_align_corners, whose data divide by a size that is no whole number,
where ONNX's text and onnxruntime take the size of the output."""

from __future__ import annotations

NAMES = {
    "node": """
        abs add add_bcast averagepool_1d_default averagepool_2d_ceil averagepool_2d_ceil_last_window_starts_on_pad
        averagepool_2d_default averagepool_2d_pads averagepool_2d_pads_count_include_pad
        averagepool_2d_precomputed_pads averagepool_2d_precomputed_pads_count_include_pad
        averagepool_2d_precomputed_same_upper averagepool_2d_precomputed_strides averagepool_2d_same_lower
        averagepool_2d_same_upper averagepool_2d_strides basic_conv_with_padding basic_conv_without_padding
        batchnorm_epsilon batchnorm_example celu center_crop_pad_crop_and_pad_expanded center_crop_pad_crop_expanded
        center_crop_pad_pad_expanded clip clip_default_inbounds clip_default_inbounds_expanded clip_default_max
        clip_default_min clip_example clip_inbounds clip_outbounds clip_splitbounds concat_1d_axis_0
        concat_1d_axis_negative_1 concat_2d_axis_0 concat_2d_axis_1 concat_2d_axis_negative_1
        concat_2d_axis_negative_2 concat_3d_axis_0 concat_3d_axis_1 concat_3d_axis_2 concat_3d_axis_negative_1
        concat_3d_axis_negative_2 concat_3d_axis_negative_3 constant_pad conv_with_autopad_same
        conv_with_strides_and_asymmetric_padding conv_with_strides_no_padding conv_with_strides_padding
        convtranspose convtranspose_1d convtranspose_3d convtranspose_autopad_same convtranspose_dilations
        convtranspose_group_2 convtranspose_group_2_image_3 convtranspose_kernel_shape convtranspose_output_shape
        convtranspose_pad convtranspose_pads depthtospace_crd_mode_example depthtospace_crd_mode_example_expanded
        depthtospace_example depthtospace_example_expanded div div_bcast div_example dropout_default
        dropout_default_old dropout_default_ratio dropout_random_old elu elu_default elu_example exp exp_example
        expand_dim_changed expand_dim_unchanged flatten_axis0 flatten_axis1 flatten_axis2 flatten_axis3
        flatten_default_axis flatten_negative_axis1 flatten_negative_axis2 flatten_negative_axis3
        flatten_negative_axis4 gather_0 gather_1 gather_negative_indices gemm_all_attributes gemm_alpha gemm_beta
        gemm_default_matrix_bias gemm_default_no_bias gemm_default_scalar_bias gemm_default_single_elem_vector_bias
        gemm_default_vector_bias gemm_default_zero_bias gemm_transposeA gemm_transposeB globalaveragepool
        globalaveragepool_precomputed globalmaxpool globalmaxpool_precomputed group_normalization_epsilon
        group_normalization_example hardsigmoid hardsigmoid_default hardsigmoid_example hardswish hardswish_expanded
        identity instancenorm_epsilon instancenorm_example leakyrelu leakyrelu_default leakyrelu_example log
        log_example logsoftmax_axis_0 logsoftmax_axis_1 logsoftmax_axis_2 logsoftmax_default_axis
        logsoftmax_example_1 logsoftmax_large_number logsoftmax_negative_axis lrn lrn_default matmul_2d max_example
        max_float32 max_one_input max_two_inputs maxpool_1d_default maxpool_2d_ceil
        maxpool_2d_ceil_output_size_reduce_by_one maxpool_2d_default maxpool_2d_pads maxpool_2d_precomputed_pads
        maxpool_2d_precomputed_same_upper maxpool_2d_precomputed_strides maxpool_2d_same_lower maxpool_2d_same_upper
        maxpool_2d_strides mean_example mean_one_input mean_two_inputs min_example min_float32 min_one_input
        min_two_inputs mul mul_bcast mul_example mvn_expanded mvn_expanded_ver18 neg neg_example pow_bcast_scalar
        prelu_broadcast prelu_example reciprocal reciprocal_example reduce_l1_default_axes_keepdims_example
        reduce_l1_default_axes_keepdims_random reduce_l1_do_not_keepdims_example
        reduce_l1_do_not_keepdims_example_expanded reduce_l1_do_not_keepdims_random
        reduce_l1_do_not_keepdims_random_expanded reduce_l1_keep_dims_example reduce_l1_keep_dims_example_expanded
        reduce_l1_keep_dims_random reduce_l1_keep_dims_random_expanded reduce_l1_negative_axes_keep_dims_example
        reduce_l1_negative_axes_keep_dims_example_expanded reduce_l1_negative_axes_keep_dims_random
        reduce_l1_negative_axes_keep_dims_random_expanded reduce_l2_default_axes_keepdims_example
        reduce_l2_default_axes_keepdims_random reduce_l2_do_not_keepdims_example reduce_l2_do_not_keepdims_random
        reduce_l2_keep_dims_example reduce_l2_keep_dims_random reduce_l2_negative_axes_keep_dims_example
        reduce_l2_negative_axes_keep_dims_random reduce_log_sum_asc_axes_expanded reduce_log_sum_desc_axes_expanded
        reduce_log_sum_negative_axes_expanded reduce_mean_default_axes_keepdims_example
        reduce_mean_default_axes_keepdims_random reduce_mean_do_not_keepdims_example
        reduce_mean_do_not_keepdims_random reduce_mean_keepdims_example reduce_mean_keepdims_random
        reduce_mean_negative_axes_keepdims_example reduce_mean_negative_axes_keepdims_random
        reduce_sum_default_axes_keepdims_example reduce_sum_default_axes_keepdims_random
        reduce_sum_do_not_keepdims_example reduce_sum_do_not_keepdims_random reduce_sum_empty_axes_input_noop
        reduce_sum_empty_axes_input_noop_example reduce_sum_keepdims_example reduce_sum_keepdims_random
        reduce_sum_negative_axes_keepdims_example reduce_sum_negative_axes_keepdims_random
        reduce_sum_square_default_axes_keepdims_example reduce_sum_square_default_axes_keepdims_random
        reduce_sum_square_do_not_keepdims_example reduce_sum_square_do_not_keepdims_example_expanded
        reduce_sum_square_do_not_keepdims_random reduce_sum_square_do_not_keepdims_random_expanded
        reduce_sum_square_keepdims_example reduce_sum_square_keepdims_example_expanded
        reduce_sum_square_keepdims_random reduce_sum_square_keepdims_random_expanded
        reduce_sum_square_negative_axes_keepdims_example reduce_sum_square_negative_axes_keepdims_example_expanded
        reduce_sum_square_negative_axes_keepdims_random reduce_sum_square_negative_axes_keepdims_random_expanded
        relu reshape_extended_dims reshape_negative_dim reshape_negative_extended_dims reshape_one_dim
        reshape_reduced_dims reshape_reordered_all_dims reshape_reordered_last_dims reshape_zero_and_negative_dim
        reshape_zero_dim resize_downsample_scales_linear
        resize_downsample_scales_linear_half_pixel_symmetric resize_downsample_scales_nearest
        resize_downsample_sizes_linear_pytorch_half_pixel resize_downsample_sizes_nearest
        resize_downsample_sizes_nearest_not_larger resize_downsample_sizes_nearest_not_smaller
        resize_upsample_scales_linear resize_upsample_scales_linear_align_corners
        resize_upsample_scales_linear_half_pixel_symmetric resize_upsample_scales_nearest
        resize_upsample_scales_nearest_axes_2_3 resize_upsample_scales_nearest_axes_3_2
        resize_upsample_sizes_nearest resize_upsample_sizes_nearest_axes_2_3 resize_upsample_sizes_nearest_axes_3_2
        resize_upsample_sizes_nearest_ceil_half_pixel resize_upsample_sizes_nearest_floor_align_corners
        resize_upsample_sizes_nearest_not_larger resize_upsample_sizes_nearest_not_smaller
        resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric selu selu_default selu_example sigmoid
        sigmoid_example slice slice_default_axes slice_default_steps slice_end_out_of_bounds slice_neg
        slice_neg_steps slice_negative_axes softmax_axis_0 softmax_axis_1 softmax_axis_2 softmax_default_axis
        softmax_example softmax_large_number softmax_negative_axis softplus softplus_example spacetodepth
        spacetodepth_crd_mode_example spacetodepth_crd_mode_example_expanded spacetodepth_dcr_mode_example
        spacetodepth_dcr_mode_example_expanded spacetodepth_example spacetodepth_example_expanded
        spacetodepth_expanded split_1d_uneven_split_opset18 split_2d_uneven_split_opset18
        split_equal_parts_1d_opset13 split_equal_parts_1d_opset18 split_equal_parts_2d split_equal_parts_2d_opset13
        split_equal_parts_default_axis_opset13 split_equal_parts_default_axis_opset18
        split_variable_parts_1d_opset13 split_variable_parts_1d_opset18 split_variable_parts_2d_opset13
        split_variable_parts_2d_opset18 split_variable_parts_default_axis_opset13
        split_variable_parts_default_axis_opset18 sqrt sqrt_example squeeze squeeze_negative_axes sub sub_bcast
        sub_example sum_example sum_one_input sum_two_inputs swish tanh tanh_example thresholdedrelu
        thresholdedrelu_default thresholdedrelu_example tile tile_precomputed training_dropout_zero_ratio
        transpose_all_permutations_0 transpose_all_permutations_1 transpose_all_permutations_2
        transpose_all_permutations_3 transpose_all_permutations_4 transpose_all_permutations_5 transpose_default
        unsqueeze_axis_0 unsqueeze_axis_1 unsqueeze_axis_2 unsqueeze_negative_axes unsqueeze_three_axes
        unsqueeze_two_axes unsqueeze_unsorted_axes upsample_nearest
    """,
    "pytorch-converted": """
        AvgPool1d AvgPool1d_stride AvgPool2d AvgPool2d_stride BatchNorm1d_3d_input_eval BatchNorm2d_eval
        BatchNorm2d_momentum_eval BatchNorm3d_eval BatchNorm3d_momentum_eval ConstantPad2d Conv1d Conv1d_dilated
        Conv1d_groups Conv1d_pad1 Conv1d_pad1size1 Conv1d_pad2 Conv1d_pad2size1 Conv1d_stride Conv2d
        Conv2d_depthwise Conv2d_depthwise_padded Conv2d_depthwise_strided Conv2d_depthwise_with_multiplier
        Conv2d_dilated Conv2d_groups Conv2d_groups_thnn Conv2d_no_bias Conv2d_padding Conv2d_strided Conv3d
        Conv3d_dilated Conv3d_dilated_strided Conv3d_groups Conv3d_no_bias Conv3d_stride Conv3d_stride_padding
        ConvTranspose2d ConvTranspose2d_no_bias ELU GLU GLU_dim LeakyReLU LeakyReLU_with_negval Linear
        Linear_no_bias LogSoftmax MaxPool1d MaxPool1d_stride MaxPool2d PReLU_1d PReLU_1d_multiparam PReLU_2d
        PReLU_2d_multiparam PReLU_3d PReLU_3d_multiparam PixelShuffle PoissonNLLLLoss_no_reduce ReLU ReflectionPad2d
        ReplicationPad2d SELU Sigmoid Softmax Softmin Softplus Softsign Tanh ZeroPad2d log_softmax_dim3
        log_softmax_lastdim softmax_functional_dim3 softmax_lastdim
    """,
    "pytorch-operator": """
        operator_addmm operator_basic operator_chunk operator_clip operator_concat2 operator_conv
        operator_convtranspose operator_exp operator_flatten operator_index operator_max operator_maxpool
        operator_min operator_mm operator_pad operator_params operator_permute2 operator_reduced_mean
        operator_reduced_mean_keepdim operator_reduced_sum operator_reduced_sum_keepdim operator_repeat
        operator_repeat_dim_overflow operator_selu operator_sqrt operator_symbolic_override
        operator_symbolic_override_nested operator_view
    """,
    "simple": """
        expand_shape_model1 expand_shape_model2 expand_shape_model3 expand_shape_model4 single_relu_model
    """,
}
CASES = {kind: names.split() for kind, names in NAMES.items()}
