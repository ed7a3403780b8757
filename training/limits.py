"""How much of the machine training may take."""

from __future__ import annotations

import tensorflow as tf


def limit_threads(threads: int) -> None:
    """Let TensorFlow use this many threads; call before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
