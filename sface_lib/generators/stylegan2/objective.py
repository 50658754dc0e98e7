"""What a training step minimises, and the gradients of it.

The non-saturating loss (Goodfellow et al., NeurIPS 2014) with R1 (Mescheder et al., ICML 2018). Two things make a step
cheap. The discriminator looks at the generated images once: the same forward pass gives the generator its gradient and
the discriminator its own, both for the same weights. And R1, whose double backward pass is the dearest arithmetic of
all, is taken over a part of the batch: its mean over half of the images has the same expectation as over all of them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F

from sface_lib.generators.stylegan2.augment import Transforms, augment
from sface_lib.generators.stylegan2.networks import Discriminator, Generator
from sface_lib.generators.stylegan2.recipe import GeneratorRecipe

LOSSES = ("loss_generator", "loss_discriminator", "logit_real", "logit_fake", "sign_real", "r1")


class Objective:
    """The gradients of generator and discriminator on one batch, with its losses by name.

    Images are float RGB `[N, 3, R, R]` in [-1, 1]; gradients come as a list in the order of `parameters()`. Both kinds
    of images are augmented in float32, so that rounding tells the discriminator nothing.

    Parameters
    ----------
    generator, discriminator
        The networks, whose weights may move between calls.
    recipe
        R1's weight, interval and share of the batch.
    autocast
        Gives a context of the arithmetic that the networks run in.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        recipe: GeneratorRecipe,
        autocast: Callable[[], AbstractContextManager],
    ):
        self.generator, self.discriminator, self.recipe, self.autocast = generator, discriminator, recipe, autocast

    def generated(self, ws: torch.Tensor, labels: torch.Tensor, transforms: Transforms | None):
        """Both networks' gradients from the images of latents `[N, styles, latent_size]`."""
        with self.autocast():
            fake = self.generator.synthesise(ws)
        seen = augment(fake, transforms) if transforms else fake
        shown = seen.detach().requires_grad_()
        with self.autocast():
            logits = self.discriminator(shown, labels)
        loss_g, loss_d = F.softplus(-logits).mean(), F.softplus(logits).mean()
        (pull,) = torch.autograd.grad(loss_g, shown, retain_graph=True)
        grads_d = _gradients(loss_d, self.discriminator)
        grads_g = _gradients(seen, self.generator, pull)
        return grads_g, grads_d, {"loss_generator": loss_g, "loss_discriminator": loss_d, "logit_fake": logits.mean()}

    def authentic(self, real: torch.Tensor, labels: torch.Tensor, transforms: Transforms | None, with_r1: bool):
        """The discriminator's gradient from authentic images, with or without R1."""
        real = augment(real, transforms) if transforms else real
        with self.autocast():
            logits = self.discriminator(real, labels)
        loss = F.softplus(-logits).mean()
        gradients, penalty = _gradients(loss, self.discriminator), torch.zeros((), device=real.device)
        weight = self.recipe.gamma(real.shape[-1]) / 2 * self.recipe.r1_interval_steps
        if with_r1 and weight > 0:
            count = max(1, round(len(real) * self.recipe.r1_share))
            penalty = self.r1(real[:count], labels[:count])
            for total, addition in zip(gradients, _gradients(penalty * weight, self.discriminator), strict=True):
                total.add_(addition)
        losses = {"loss_discriminator": loss, "logit_real": logits.mean(), "sign_real": logits.sign().mean()}
        return gradients, losses | {"r1": penalty}

    def r1(self, real: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean squared norm of the logits' gradient at the images as the discriminator sees them."""
        real = real.detach().requires_grad_()
        with self.autocast():
            logits = self.discriminator(real, labels)
        (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()


def _gradients(output: torch.Tensor, module: torch.nn.Module, pull: torch.Tensor | None = None) -> list[torch.Tensor]:
    """Gradients of an output, or of its product with `pull`, by a module's parameters; zero where it uses none."""
    parameters = list(module.parameters())
    gradients = torch.autograd.grad(output, parameters, pull, allow_unused=True, materialize_grads=True)
    return [gradient.contiguous() if gradient.dim() == 0 else gradient for gradient in gradients]
