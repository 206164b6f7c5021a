"""What methods of attribution are called, and what each of them does, for a biologist."""

from __future__ import annotations

from lucyte.report.wording import feature_words, sentence

WORDS: dict[str, tuple[str, str]] = {
    "occlusion": (
        "Occlusion",
        "Each patch of a channel is covered in turn; orange where covering it takes away from the "
        "answer.",
    ),
    "rise": (
        "RISE",
        "Random parts of the picture are hidden many times; orange where the answer needs them "
        "shown.",
    ),
    "shapley_channels": (
        "Shapley values of channels",
        "The answer is shared out among the channels, over all ways to leave some of them out.",
    ),
    "grad_cam": ("Grad-CAM", "Where the last stage of the network speaks for the answer; coarse."),
    "grad_cam_plus_plus": (
        "Grad-CAM++",
        "Where the last stage of the network speaks for the answer, in several places; coarse.",
    ),
    "xgrad_cam": (
        "XGrad-CAM",
        "Where the last stage of the network speaks for the answer; coarse.",
    ),
    "layer_cam": (
        "LayerCAM",
        "Where an early stage of the network speaks for the answer, place by place; all channels "
        "together.",
    ),
    "eigen_cam": ("Eigen-CAM", "What the network shows most of; it knows of no answer."),
    "score_cam": (
        "Score-CAM",
        "What the network marks, weighted by what each mark alone can tell.",
    ),
    "ablation_cam": ("Ablation-CAM", "What the network marks, weighted by what its loss costs."),
    "attention_rollout": (
        "Attention rollout",
        "Where the network's attention flows from; it knows of no answer.",
    ),
    "gradient_x_input": (
        "Gradient times input",
        "How the answer would move if a pixel got brighter, times how bright the pixel is.",
    ),
    "smooth_grad": (
        "SmoothGrad",
        "How the answer would move if a pixel got brighter, over many noisy copies of the picture.",
    ),
    "integrated_gradients": (
        "Integrated gradients",
        "What each pixel adds to the answer on the way to it from a picture without the cell.",
    ),
    "deep_lift": (
        "DeepLIFT",
        "What each pixel adds to the answer, beside a picture without the cell.",
    ),
    "contributions": (
        "Contributions",
        "What each measured feature adds to the answer; the bars add up to the score.",
    ),
}


def method_name(method: str) -> str:
    """What a method is called: ``LayerCAM`` for ``layer_cam``."""
    known = WORDS.get(method)
    return known[0] if known else sentence(feature_words(method))


def method_does(method: str) -> str:
    """What a method does, a sentence; empty where none is written."""
    known = WORDS.get(method)
    return known[1] if known else ""
