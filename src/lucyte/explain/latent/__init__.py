"""What do the latents of an autoencoder show? Pictures along each of them, and what they change."""

from lucyte.explain.latent.disentangled import (
    LatentEffects,
    latent_effects,
    one_change_finding,
    told_apart,
)
from lucyte.explain.latent.kept import KeptRest, keep_rest, latent_counterfactual, latent_strips
from lucyte.explain.latent.traversal import Traversal, score_finding, traverse, traverse_first

__all__ = [
    "KeptRest",
    "LatentEffects",
    "Traversal",
    "keep_rest",
    "latent_counterfactual",
    "latent_effects",
    "latent_strips",
    "one_change_finding",
    "score_finding",
    "told_apart",
    "traverse",
    "traverse_first",
]
