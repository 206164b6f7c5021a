"""Virtual perturbations: change one thing in real pictures and read what the model answers."""

from lucyte.explain.perturbation.kinds import PERTURBATIONS, Perturbation, perturb
from lucyte.explain.perturbation.response import Response, response, response_finding
from lucyte.explain.perturbation.scene import Scene, elsewhere

__all__ = [
    "PERTURBATIONS",
    "Perturbation",
    "Response",
    "Scene",
    "elsewhere",
    "perturb",
    "response",
    "response_finding",
]
