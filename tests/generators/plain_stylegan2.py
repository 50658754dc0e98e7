"""StyleGAN2-ADA's networks said plainly, in the names of its official files: slow, one image at a time, float64.

Every image's weights are modulated and demodulated themselves (Karras et al. 2020, equations 1 and 3), resolution
changes by inserting zeros or dropping samples around an explicit filter. Written from the papers' formulas; the
official code gave the same outputs beside the project.
"""

import math

import torch
import torch.nn.functional as F

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
FILTER = torch.outer(TAPS, TAPS) / 64


def lrelu(x, clamp=None, gain=1.0):
    x = torch.where(x < 0, 0.2 * x, x) * math.sqrt(2) * gain
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def filtered(x, pad, gain=1.0):
    """`x` `[C, H, W]` with `pad` zeros around it, each channel by the filter."""
    return F.conv2d(F.pad(x, [pad] * 4)[:, None], gain * FILTER[None, None])[:, 0]


def spread(x):
    """Zeros between the samples of `[C, H, W]`: `[C, 2 H, 2 W]`."""
    out = torch.zeros(x.shape[0], 2 * x.shape[1], 2 * x.shape[2], dtype=x.dtype)
    out[:, ::2, ::2] = x
    return out


def linear(x, t, name, rate=1.0):
    weight = t[f"{name}.weight"]
    return weight @ x * (rate / math.sqrt(weight.shape[1])) + t[f"{name}.bias"] * rate


def unit(x):
    return x / (x.square().mean() + 1e-8).sqrt()


def mapping(t, prefix, z, label, layers):
    parts = [] if z is None else [unit(z)]
    if label is not None:
        one_hot = torch.zeros(t[f"{prefix}embed.weight"].shape[1], dtype=torch.float64)
        one_hot[label] = 1
        parts.append(unit(linear(one_hot, t, f"{prefix}embed")))
    x = torch.cat(parts)
    for i in range(layers):
        x = lrelu(linear(x, t, f"{prefix}fc{i}", rate=0.01))
    return x


def modulated(t, name, x, w, demodulate, up=False):
    style = linear(w, t, f"{name}.affine")
    weight = t[f"{name}.weight"]
    if not demodulate:
        style = style / math.sqrt(weight.shape[1] * weight.shape[2] ** 2)
    weight = weight * style[None, :, None, None]
    if demodulate:
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if not up:
        return F.conv2d(x[None], weight, padding=weight.shape[-1] // 2)[0]
    # A true convolution of the spread samples: the kernel is mirrored for a correlation.
    y = F.conv2d(F.pad(spread(x), [2, 1, 2, 1])[None], weight.flip((2, 3)))[0]
    return filtered(F.pad(y, [0, 1, 0, 1]), 1, gain=4)[:, : 2 * x.shape[1], : 2 * x.shape[2]]


def styled(t, name, x, w, clamp, up=False):
    y = modulated(t, name, x, w, demodulate=True, up=up)
    y = y + t[f"{name}.noise_const"] * t[f"{name}.noise_strength"] + t[f"{name}.bias"][:, None, None]
    return lrelu(y, clamp)


def generate(t, z, label, psi, resolution, layers, clamp=None):
    """One image `[3, R, R]`."""
    w = mapping(t, "mapping.", z, label, layers)
    w = t["mapping.w_avg"] + psi * (w - t["mapping.w_avg"])
    x, image, r = t["synthesis.b4.const"], None, 4
    while r <= resolution:
        if r > 4:
            x = styled(t, f"synthesis.b{r}.conv0", x, w, clamp, up=True)
        x = styled(t, f"synthesis.b{r}.conv1", x, w, clamp)
        rgb = modulated(t, f"synthesis.b{r}.torgb", x, w, demodulate=False)
        rgb = rgb + t[f"synthesis.b{r}.torgb.bias"][:, None, None]
        rgb = rgb if clamp is None else rgb.clamp(-clamp, clamp)
        image = rgb if image is None else filtered(F.pad(spread(image), [1, 0, 1, 0]), 1, gain=4) + rgb
        r *= 2
    return image


def convolution(t, name, x, down=False, bias=True):
    weight = t[f"{name}.weight"]
    weight = weight / math.sqrt(weight[0].numel())
    pad = weight.shape[-1] // 2
    if down:
        x = filtered(x, 1 + pad)
        y = F.conv2d(x[None], weight)[0][:, ::2, ::2]
    else:
        y = F.conv2d(x[None], weight, padding=pad)[0]
    return y + t[f"{name}.bias"][:, None, None] if bias else y


def judge(t, images, labels, resolution, layers, clamp=None, group=4):
    """Logits of a batch whose size is a multiple of the group."""
    features = []
    for image in images:
        x, r = lrelu(convolution(t, f"b{resolution}.fromrgb", image), clamp), resolution
        while r > 4:
            y = lrelu(convolution(t, f"b{r}.conv0", x), clamp)
            y = lrelu(convolution(t, f"b{r}.conv1", y, down=True), clamp, gain=math.sqrt(0.5))
            x = y + convolution(t, f"b{r}.skip", x, down=True, bias=False) * math.sqrt(0.5)
            r //= 2
        features.append(x)
    features, apart = torch.stack(features), len(images) // group
    deviations = [((features[i::apart].var(0, correction=0) + 1e-8).sqrt()).mean() for i in range(apart)]
    logits = []
    for i, x in enumerate(features):
        x = torch.cat([x, torch.full((1, 4, 4), deviations[i % apart].item(), dtype=x.dtype)])
        x = lrelu(convolution(t, "b4.conv", x), clamp)
        x = linear(lrelu(linear(x.flatten(), t, "b4.fc")), t, "b4.out")
        if labels is None:
            logits.append(x[0])
        else:
            code = mapping(t, "mapping.", None, labels[i], layers)
            logits.append((x * code).sum() / math.sqrt(len(code)))
    return torch.stack(logits)
