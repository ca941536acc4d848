"""What a round's call of TFF's learning process is given, as a digest. Runs in TFF's own environment."""

import hashlib

import tensorflow as tf


def given(state, datasets):
    """Return a digest of the clients' data sets: each operation of their graphs, its inputs and attributes.

    The metadata that TensorFlow puts beside them is left out: it numbers the operations of the whole process. The state
    is the weights, which are compared at the end.
    """
    digest = hashlib.sha256()
    for dataset in datasets:
        graph = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(dataset))
        for node in tf.compat.v1.GraphDef.FromString(graph.numpy()).node:
            told = {name: value.SerializeToString() for name, value in node.attr.items() if name != "metadata"}
            digest.update(repr((node.op, list(node.input), sorted(told.items()))).encode())
    return digest.hexdigest()
