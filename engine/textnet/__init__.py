"""Text nets: their layout in memory, the compiled minibatch loop, training, prediction."""
