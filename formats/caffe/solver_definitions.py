"""The messages of a solver and of its state, in the notation of `definitions`."""

SOLVER_MESSAGES = """
message SolverParameter
    enum SnapshotFormat HDF5=0 BINARYPROTO=1
    enum SolverMode CPU=0 GPU=1
    enum SolverType SGD=0 NESTEROV=1 ADAGRAD=2 RMSPROP=3 ADADELTA=4 ADAM=5
    string train_net=1
    repeated string test_net=2
    repeated int32 test_iter=3
    int32 test_interval=4[0]
    float base_lr=5
    int32 display=6 max_iter=7
    string lr_policy=8
    float gamma=9 power=10 momentum=11 weight_decay=12
    int32 stepsize=13 snapshot=14[0]
    string snapshot_prefix=15
    bool snapshot_diff=16[false]
    SolverMode solver_mode=17[GPU]
    int32 device_id=18[0]
    bool test_compute_loss=19[false]
    int64 random_seed=20[-1]
    NetParameter train_net_param=21
    repeated NetParameter test_net_param=22
    bool debug_info=23[false]
    string net=24
    NetParameter net_param=25
    NetState train_state=26
    repeated NetState test_state=27
    bool snapshot_after_train=28[true]
    string regularization_type=29[L2]
    SolverType solver_type=30[SGD]
    float delta=31[1e-8]
    bool test_initialization=32[true]
    int32 average_loss=33[1]
    repeated int32 stepvalue=34
    float clip_gradients=35[-1]
    int32 iter_size=36[1]
    SnapshotFormat snapshot_format=37[BINARYPROTO]
    float rms_decay=38[0.99] momentum2=39[0.999]
    string type=40[SGD]
    bool layer_wise_reduce=41[true]
    repeated string weights=42
message SolverState
    int32 iter=1
    string learned_net=2
    repeated BlobProto history=3
    int32 current_step=4[0]
    string caffe64=1000001
"""
