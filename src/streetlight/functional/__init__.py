"""Everything that is composed of operations: seen by users as `streetlight.nn.functional`.

There is no backward code here: gradients follow from the operations.
"""

from streetlight.functional.activation import elu, gelu, leaky_relu, relu, silu, softplus
from streetlight.functional.attention import (
    cosine_similarity,
    pairwise_distance,
    scaled_dot_product_attention,
)
from streetlight.functional.convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    dropout1d,
    dropout2d,
    fold,
    group_norm,
    unfold,
)
from streetlight.functional.linear import dropout, embedding, linear, one_hot
from streetlight.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from streetlight.functional.normalisation import batch_norm, layer_norm, normalize, rms_norm
from streetlight.functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    interpolate,
    max_pool1d,
    max_pool2d,
)
from streetlight.functional.representation import (
    contrastive_loss,
    nt_xent_loss,
    semi_hard_triplet_loss,
    supervised_contrastive_loss,
    triplet_margin_loss,
)
from streetlight.ops import log_softmax, pad, sigmoid, softmax, tanh

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "avg_pool1d", "avg_pool2d", "batch_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "contrastive_loss", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d",
    "elu", "embedding", "fold", "gelu", "group_norm", "huber_loss", "interpolate", "kl_div",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "max_pool1d", "max_pool2d",
    "mse_loss", "nll_loss", "normalize", "nt_xent_loss", "one_hot", "pad", "pairwise_distance",
    "relu", "rms_norm", "scaled_dot_product_attention", "semi_hard_triplet_loss", "sigmoid",
    "silu", "smooth_l1_loss", "softmax", "softplus", "supervised_contrastive_loss", "tanh",
    "triplet_margin_loss", "unfold",
]  # fmt: skip
