"""Next-ViT in torch, written from its definition, with the names of ByteDance's files.   [Next-ViT, §3]

transformers has no Next-ViT; this reading stands in for it.
"""

import types

import torch
from torch import nn

F = nn.functional


def rounded(value):
    """value as a multiple of 32, at least 32, not below nine tenths of it"""
    near = max(32, int(value + 16) // 32 * 32)
    return near if near >= 0.9 * value else near + 32


class PatchEmbed(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.stride = stride
        if stride == 2 or inside != outside:
            self.conv = nn.Conv2d(inside, outside, 1, bias=False)
            self.norm = nn.BatchNorm2d(outside)

    def forward(self, x):
        if self.stride == 2:
            x = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
        return self.norm(self.conv(x)) if hasattr(self, "conv") else x


class MHCA(nn.Module):
    def __init__(self, width, head):
        super().__init__()
        self.group_conv3x3 = nn.Conv2d(width, width, 3, 1, 1, groups=width // head, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.projection = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x):
        return self.projection(F.relu(self.norm(self.group_conv3x3(x))))


class Mlp(nn.Module):
    def __init__(self, width, ratio):
        super().__init__()
        self.conv1 = nn.Conv2d(width, rounded(width * ratio), 1)
        self.conv2 = nn.Conv2d(rounded(width * ratio), width, 1)

    def forward(self, x):
        return self.conv2(F.relu(self.conv1(x)))


class EMHSA(nn.Module):
    def __init__(self, width, sr_ratio, head):
        super().__init__()
        self.run, self.head = sr_ratio**2, head
        for name in ("q", "k", "v", "proj"):
            self.add_module(name, nn.Linear(width, width))
        self.weights = nn.Identity()  # a place to look at them
        if self.run > 1:
            self.norm = nn.BatchNorm1d(width)

    def forward(self, x):
        """x: (N, T, C)"""
        heard = x
        if self.run > 1:
            heard = self.norm(F.avg_pool1d(x.transpose(1, 2), self.run)).transpose(1, 2)
        q, k, v = (
            y.unflatten(-1, (-1, self.head)).transpose(1, 2) for y in (self.q(x), self.k(heard), self.v(heard))
        )  # (N, A, T, K)
        weights = self.weights((q @ k.transpose(-1, -2) / self.head**0.5).softmax(-1))
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


class NCB(nn.Module):
    def __init__(self, inside, width, stride, ratio, head):
        super().__init__()
        self.patch_embed = PatchEmbed(inside, width, stride)
        self.mhca = MHCA(width, head)
        self.norm = nn.BatchNorm2d(width)
        self.mlp = Mlp(width, ratio)

    def forward(self, x):
        x = self.patch_embed(x)
        x = x + self.mhca(x)
        return x + self.mlp(self.norm(x))


class NTB(nn.Module):
    def __init__(self, inside, width, stride, sr_ratio, ratio, mix, head):
        super().__init__()
        attended = rounded(int(width * mix))
        self.patch_embed = PatchEmbed(inside, attended, stride)
        self.norm1 = nn.BatchNorm2d(attended)
        self.e_mhsa = EMHSA(attended, sr_ratio, head)
        self.projection = PatchEmbed(attended, width - attended, 1)
        self.mhca = MHCA(width - attended, head)
        self.norm2 = nn.BatchNorm2d(width)
        self.mlp = Mlp(width, ratio)

    def forward(self, x):
        x = self.patch_embed(x)
        n, c, h, w = x.shape
        x = x + self.e_mhsa(self.norm1(x).flatten(2).transpose(1, 2)).transpose(1, 2).reshape(n, c, h, w)
        y = self.projection(x)
        x = torch.cat([x, y + self.mhca(y)], 1)
        return x + self.mlp(self.norm2(x))


class NextViT(nn.Module):
    """widths: for each stage, those of its blocks, with an asterisk for a transformer block: ["32", "64*"]"""

    def __init__(self, stem, widths, sr_ratios=(8, 4, 2, 1), channels=3, ratios=(3, 2), mix=0.75, head=32):
        super().__init__()
        self.config = types.SimpleNamespace(model_type="nextvit")
        self.stem = nn.ModuleList()
        plan = zip([channels, *stem], [*stem, stem[-1]], (2, 1, 1, 2), strict=True)
        for inside, outside, stride in plan:
            layer = {"conv": nn.Conv2d(inside, outside, 3, stride, 1, bias=False), "norm": nn.BatchNorm2d(outside)}
            self.stem.append(nn.ModuleDict(layer))
        self.embedded = nn.Identity()  # a place to look at the stem's output
        self.features, self.ends, inside = nn.ModuleList(), [], stem[-1]
        for stage, blocks in enumerate(widths):
            for i, word in enumerate(blocks):
                width, stride = int(word.rstrip("*")), 2 if stage and not i else 1
                if word.endswith("*"):
                    self.features.append(NTB(inside, width, stride, sr_ratios[stage], ratios[1], mix, head))
                else:
                    self.features.append(NCB(inside, width, stride, ratios[0], head))
                inside = width
            self.ends.append(len(self.features) - 1)
        self.norm = nn.BatchNorm2d(inside)  # before the classifier; DPT taps what comes before it

    def forward(self, pixel_values):
        x, maps = pixel_values, []
        for layer in self.stem:
            x = F.relu(layer["norm"](layer["conv"](x)))
        x = self.embedded(x)
        for i, block in enumerate(self.features):
            x = block(x)
            if i in self.ends:
                maps.append(x)
        return maps


BRANCHES = ("mhca.projection.weight", "mlp.conv2.weight", "e_mhsa.proj.weight")  # the last layers of residual branches


def watched(encoder):
    """Every stage by minidpt's name, as the watchers of verification/watch.py"""

    def itself(out):
        return out

    def last(out):
        return out.permute(0, 2, 3, 1)

    yield "embeddings", encoder.embedded, last
    for i, block in enumerate(encoder.features):
        yield f"blocks.{i}", block, last
        yield f"blocks.{i}.mlp", block.mlp, last
        if isinstance(block, NTB):
            yield f"blocks.{i}.norm1", block.norm1, last
            yield f"blocks.{i}.attention", block.e_mhsa, itself
            yield f"blocks.{i}.attention.weights", block.e_mhsa.weights, itself
            for ours, theirs in (("query", "q"), ("key", "k"), ("value", "v")):
                yield f"blocks.{i}.attention.{ours}", getattr(block.e_mhsa, theirs), itself
    for stage, end in enumerate(encoder.ends):
        yield f"stages.{stage}", encoder.features[end], last
