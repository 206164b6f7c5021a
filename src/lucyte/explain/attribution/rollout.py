r"""Attention rollout: from which patches attention flows to the class token.

.. math:: \tilde A_l = \tfrac12 (\bar A_l + I), \qquad R = \tilde A_L \cdots \tilde A_1

with :math:`\bar A_l` the attention of block l, mean over its heads. The row of the class token over
the patches, made to add up to 1, is the map. It knows no class.

References
----------
Abnar and Zuidema 2020, doi 10.18653/v1/2020.acl-main.385.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lucyte.explain.attribution.cam import finish, over_crops
from lucyte.explain.attribution.explained import Ints, Score
from lucyte.explain.attribution.inside import Site, as_maps, find_sites, need_differentiable
from lucyte.schema.errors import UsageError

if TYPE_CHECKING:
    from lucyte.explain.attribution.methods import Case
    from lucyte.explain.attribution.relevance import Relevance

QUERY, KEY = ("q_proj", "query"), ("k_proj", "key")
"""What transformers calls the two, newer and older."""


def attention_rollout(case: Case) -> Relevance:
    """Attention rollout as a row of the table of methods.

    Raises
    ------
    UsageError
        A network without attention; a layer, for all of them are looked at.
    """
    model = need_differentiable(case.score.model, case.method)
    if case.settings.layer is not None:
        raise UsageError(
            f"attention_rollout goes through every block; drop layer {case.settings.layer!r}."
        )
    sites = find_sites(case.score)
    blocks = [_blocks(model, site) for site in sites]

    def maps_of(x: Tensor, _rows: Ints) -> list[Tensor]:
        seen = attentions(case.score, x, [each for own in blocks for each in own])
        out, at = [], 0
        for site, own in zip(sites, blocks, strict=True):
            flow = roll_out(seen[at : at + len(own)])
            at += len(own)
            rows = torch.cat([flow.new_zeros(len(flow), 1), flow], dim=1)[:, :, None]
            out.append(as_maps(site, rows)[:, 0])
        return out

    return finish(case, sites, over_crops(case, maps_of, case.score.turns), "attention")


def attentions(score: Score, x: Tensor, blocks: list[nn.Module]) -> list[Tensor]:
    """Attention ``N T T`` of each block, mean over heads, whatever way it is computed inside."""
    given: dict[tuple[int, str], Tensor] = {}

    def keep(at: int, what: str) -> Any:
        def act(_module: Any, _given: Any, found: Tensor) -> None:
            given[at, what] = found

        return act

    handles = []
    for k, block in enumerate(blocks):
        for what, names in (("q", QUERY), ("k", KEY)):
            handles.append(_named(block, names).register_forward_hook(keep(k, what)))
    try:
        with torch.inference_mode():
            score.module()(x)
    finally:
        for handle in handles:
            handle.remove()
    return [_attention(block, given[k, "q"], given[k, "k"]) for k, block in enumerate(blocks)]


def roll_out(attention: list[Tensor]) -> Tensor:
    """Flow from each patch to the class token, ``N T-1``, adding up to 1."""
    one = torch.eye(attention[0].shape[-1])
    row = one[0].expand(len(attention[0]), 1, -1)
    for each in reversed(attention):
        row = row @ ((each + one) / 2)
    patches = row[:, 0, 1:]
    return patches / patches.sum(dim=1, keepdim=True)


def _attention(block: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    heads = next(
        int(module.num_attention_heads)  # type: ignore[arg-type]
        for module in block.modules()
        if hasattr(module, "num_attention_heads")
    )
    q, k = (each.reshape(*each.shape[:2], heads, -1).transpose(1, 2) for each in (query, key))
    weights = torch.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5, dim=-1)
    return weights.mean(dim=1)


def _blocks(model: Any, site: Site) -> list[nn.Module]:
    """All layers of the site's encoder, first to last."""
    head = site.name.rpartition("/")[0]
    found = [m for name, m in model.layers().items() if name.rpartition("/")[0] == head]
    for block in found:
        if _find(block, QUERY) is None or _find(block, KEY) is None:
            raise UsageError(
                f"attention_rollout needs a network with attention; layer {site.name!r} has none. "
                "Use grad_cam."
            )
    return found


def _named(block: nn.Module, names: tuple[str, ...]) -> nn.Module:
    found = _find(block, names)
    assert found is not None
    return found


def _find(block: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    found: list[nn.Module] = [
        module for path, module in block.named_modules() if path.rsplit(".", 1)[-1] in names
    ]
    return found[0] if found else None
