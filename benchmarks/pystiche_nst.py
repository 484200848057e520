"""Style transfer by pystiche 1.0.1, run in an environment that has it: benchmarks/peers.py starts it.

Numbers of Gatys's notebook as pystiche's papers replicate them (gatys_ecker_bethge_2016, impl_params): the mean squared
error at relu4_2, and 1000/N^2 times that of Gram matrices at five layers of N filters. Caffe's preprocessing, as the
weights ask for; pystiche's own optimizer, torch.optim.LBFGS with a step size of one and a history of 100.
"""

import argparse
import importlib

import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image, to_tensor

# pystiche looks addresses of weights up while it is imported, in tables that torchvision has dropped.
importlib.import_module("torchvision.models.alexnet").model_urls = {"alexnet": ""}
importlib.import_module("torchvision.models.vgg").model_urls = {
    f"vgg{depth}{suffix}": "" for depth in (11, 13, 16, 19) for suffix in ("", "_bn")
}

from pystiche import enc, loss, optim  # noqa: E402

FILTERS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("content")
    parser.add_argument("style")
    parser.add_argument("output")
    parser.add_argument("--model", required=True, help="state dict with the names of torchvision's VGG16")
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--every", type=int, default=0, help="iterations between pictures OUTPUT_N.png; 0: none")
    given = parser.parse_args()

    encoder = enc.vgg16_multi_layer_encoder(pretrained=False, framework="caffe")
    encoder.load_state_dict(torch.load(given.model))
    encoder.requires_grad_(False)
    style_losses = loss.MultiLayerEncodingLoss(
        encoder,
        FILTERS,
        lambda layer, weight: loss.GramLoss(layer, score_weight=weight),
        layer_weights=[1 / filters**2 for filters in FILTERS.values()],
        score_weight=1e3,
    )
    content, style = (to_tensor(Image.open(path).convert("RGB"))[None] for path in (given.content, given.style))
    criterion = loss.PerceptualLoss(
        loss.FeatureReconstructionLoss(encoder.extract_encoder("relu4_2"), score_weight=1.0),
        style_losses,
        content_image=content,
        style_image=style,
    )
    image = content.clone()
    optimizer = optim.default_image_optimizer(image)
    for iteration in range(1, given.iterations + 1):
        optim.image_optimization(image, criterion, optimizer, num_steps=1, quiet=True)
        print(f"Iteration {iteration}", flush=True)
        if given.every and iteration % given.every == 0 and iteration < given.iterations:
            save(image, given.output.replace(".png", f"_{iteration}.png"))
    save(image, given.output)


def save(image: torch.Tensor, path: str) -> None:
    to_pil_image(image.detach()[0].clamp(0, 1)).save(path)


if __name__ == "__main__":
    main()
