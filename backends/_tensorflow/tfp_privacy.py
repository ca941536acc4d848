"""DP-SGD by TensorFlow Privacy: a step's gradients, and its own statement of epsilon."""

import tensorflow as tf

from bench.backend import Figure, Unsupported

STATED = {"poisson": "Epsilon assuming Poisson sampling", "shuffled": "Epsilon with each example occurring once"}


class ByLibrary:
    """TensorFlow Privacy's DP optimizer clips, adds its own noise and averages.

    Its vectorized variant; the one that loops over examples took as long. Its fast clipping knows no convolutions.
    """

    def __init__(self, forward, privacy):
        """`forward`: from weights, images and a seed of dropout to logits; `tap` as in `layers.forward`."""
        try:
            from tensorflow_privacy import VectorizedDPKerasSGDOptimizer
        except ImportError as error:
            raise Unsupported("privacy.engine = stock: TensorFlow Privacy is not in this environment") from error
        if privacy.noise_seed is not None:
            raise Unsupported("privacy.noise_seed: TensorFlow Privacy draws its own noise and takes no seed")
        self.forward = forward
        self.optimizer = lambda: VectorizedDPKerasSGDOptimizer(
            l2_norm_clip=privacy.max_grad_norm, noise_multiplier=privacy.noise_multiplier
        )

    def gradients(self, weights, images, labels, counts, mask_seed, noise_seed, divisor):
        """Return the noised gradients; TensorFlow Privacy divides by the batch's length, fedbench by `divisor`."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = self.forward(weights, images, mask_seed)
            losses = counts * tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        pairs = self.optimizer()._compute_gradients(losses, list(weights), tape=tape)
        length = tf.cast(tf.shape(images)[0], tf.float32)
        return tuple(gradient * (length / divisor) for gradient, _ in pairs)


def statement(taken, privacy):
    """Return TensorFlow Privacy's own `Figure`: the largest of `taken`, (samples held, batch size, steps) a client."""
    from dp_accounting.rdp.rdp_privacy_accountant import DEFAULT_RDP_ORDERS
    from tensorflow_privacy import compute_dp_sgd_privacy_statement

    epsilons = []
    for held, size, steps in set(taken):
        by_epoch = -(-held // size)
        told = compute_dp_sgd_privacy_statement(
            number_of_examples=held,
            batch_size=size,
            num_epochs=(steps - 0.5) * size / held if privacy.sampling == "poisson" else steps // by_epoch,
            noise_multiplier=privacy.noise_multiplier,
            delta=privacy.delta,
            used_microbatching=False,
        )
        line = next(line for line in told.splitlines() if STATED[privacy.sampling] in line)
        epsilons.append(float(line.rpartition(":")[2]))
    return Figure(
        "TFP statement", "rdp", privacy.sampling, max(epsilons), [float(order) for order in DEFAULT_RDP_ORDERS]
    )
