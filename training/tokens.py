"""How the transformer's tokens start, and how they start again. (torch)

A block of a transformer reads normalised tokens. What a token says beside a long constant vector, or beside one long
direction, cannot be heard behind that norm, and what is not heard is not learnt.
"""

import math

import torch
from torch import Tensor, nn
from transformers import DPTForDepthEstimation

POSITION_SCALE, LONGEST_WAVE = 0.7, 100.0
LEAST_VARIANCE = 1e-3  # of the largest: directions with less are noise, and stay smaller than the others


def wave_positions(side: int, hidden: int) -> Tensor:
    """Sines and cosines of x and y at hidden / 4 wavelengths each: (side * side, hidden) in -1..1, row by row."""
    frequency = math.pi / 2 * LONGEST_WAVE ** -torch.linspace(0, 1, hidden // 4)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angles = [place.reshape(-1, 1) * frequency for place in (x, y)]
    return torch.cat([f(angle) for angle in angles for f in (torch.sin, torch.cos)], 1)


@torch.no_grad()
def start_tokens(model: DPTForDepthEstimation, pixels: Tensor) -> None:
    """Start a fresh model with tokens that positions can be heard beside.

    transformers starts position embeddings at zero, and the first dpt-mini never learnt them: its tokens left the
    projection with length 99, positions had 0.8, and without its six blocks depth changed by 5 %. So the
    projection starts as a rotation that gives tokens mean 0 and variance 1 on `pixels`, the positions as waves. It
    does not last (log.md).
    """
    embeddings, config = model.dpt.embeddings, model.config
    projection = embeddings.projection
    nn.init.orthogonal_(projection.weight.flatten(1))
    tokens = projection(embeddings.backbone(pixels).feature_maps[-1])
    mean = tokens.mean((0, 2, 3))
    spread = (tokens - mean[:, None, None]).square().mean().sqrt()
    projection.weight /= spread
    projection.bias.copy_(-mean / spread)
    waves = wave_positions(config.image_size // config.patch_size, config.hidden_size)
    embeddings.position_embeddings[0, 1:] = POSITION_SCALE * waves
    nn.init.normal_(embeddings.cls_token, std=0.5)


@torch.no_grad()
def restart_transformer(model: DPTForDepthEstimation, pixels: Tensor) -> None:
    """Start the blocks of a trained model anew, on tokens that have something to tell them.

    After 172,800 samples dpt-mini's tokens were one constant vector of length 72 and, beside it, one direction with
    three quarters of their variance; its six blocks changed depth by 2 %. Here they become A (t - m), with mean 0 and
    nearly the same variance in every direction on `pixels` (N, 3, S, S). What makes tokens (projection, positions,
    readout token) takes A and m; what reads them (the readout projections of reassemble) takes A's inverse: that
    alone changes no answer. The blocks, which it makes useless, get the weights of a fresh model.
    """
    embeddings = model.dpt.embeddings
    tokens = embeddings(pixels).last_hidden_states[:, 1:].flatten(0, 1).double()
    mean = tokens.mean(0)
    variance, axes = torch.linalg.eigh((tokens - mean).T.cov())
    gain = (variance.clamp(min=0) + LEAST_VARIANCE * variance[-1]).rsqrt()
    gain *= (len(gain) / (variance * gain**2).sum()).sqrt()
    whiten, colour = ((axes * g) @ axes.T for g in (gain, 1 / gain))

    projection = embeddings.projection
    projection.bias.copy_(whiten @ (projection.bias.double() - mean))
    projection.weight.copy_((whiten @ projection.weight.double().flatten(1)).view_as(projection.weight))
    first = embeddings.cls_token + embeddings.position_embeddings[:, :1]
    embeddings.cls_token.copy_((first.double() - mean) @ whiten)
    embeddings.position_embeddings.copy_(embeddings.position_embeddings.double() @ whiten)
    embeddings.position_embeddings[:, :1] = 0
    for readout in model.neck.reassemble_stage.readout_projects:
        if isinstance(readout[0], nn.Linear):  # not where a stage of the backbone goes past the transformer
            token_and_readout = readout[0].weight.double().split(len(mean), 1)
            readout[0].bias += sum(part @ mean for part in token_and_readout)
            readout[0].weight.copy_(torch.cat([part @ colour for part in token_and_readout], 1))

    for part in model.dpt.encoder.modules():
        if isinstance(part, nn.LayerNorm):
            part.reset_parameters()
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=model.config.initializer_range)
            nn.init.zeros_(part.bias)
