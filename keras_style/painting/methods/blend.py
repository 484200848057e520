"""One method, or several whose objectives are added up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from keras_style import checks
from keras_style.backbones.backbone import Layer
from keras_style.errors import InputError
from keras_style.painting.methods.method import LayerWeights, Method, Variant, times

if TYPE_CHECKING:
    from keras_style.optimize.objective import Term


@dataclass(frozen=True)
class Blend:
    """Recipes, each with the variant of it and its share; the shares add up to 1."""

    parts: tuple[tuple[Method, Variant, float], ...]

    @property
    def variant(self) -> Variant:
        """The numbers of the run: of several, the first one's, with the most steps and passes, and mean weights.

        One method that is not for L-BFGS decides the optimizer for all.
        """
        variants = [variant for _, variant, _ in self.parts]
        weights = ("content_weight", "style_weight", "tv_weight", "photorealism_weight")
        means: dict[str, Any] = {
            name: sum(share * getattr(variant, name) for _, variant, share in self.parts)
            for name in weights
            if not isinstance(getattr(variants[0], name), Mapping)  # by region: given, and so that of all
        }
        if len(variants) == 1:
            return variants[0]
        return replace(
            variants[0],
            **means,
            optimizer=next((each.optimizer for each in variants if each.optimizer != "lbfgs"), "lbfgs"),
            balance=next((each.balance for each in variants if each.balance), None),
            steps=max(each.steps for each in variants),
            passes=max(each.passes for each in variants),
            smooth=any(each.smooth for each in variants),
            refine=any(each.refine for each in variants),
        )

    def mapping(self, name: str) -> dict[str, Any]:
        """The mapping of that name, such as "style_layers", of the method; of several, that of each."""
        of_each = {method.name: dict(getattr(variant, name)) for method, variant, _ in self.parts}
        return of_each if len(of_each) > 1 else next(iter(of_each.values()))

    def with_numbers(self, given: Mapping[str, Any]) -> "Blend":
        """Every variant with these numbers in place of its own."""
        return Blend(tuple((method, replace(variant, **given), share) for method, variant, share in self.parts))

    def with_style_loss(self, given: Mapping[str, float]) -> "Blend":
        """Every variant with these settings of its style loss, each where the loss has one of that name.

        Raises:
            InputError: no loss has it, or a value is not what was expected.
        """
        settings = [
            {name: value for name, value in variant.style_loss.items() if not isinstance(value, str)}
            for _, variant, _ in self.parts
        ]
        known = list(dict.fromkeys(name for each in settings for name in each))
        if unknown := [name for name in given if name not in known]:
            names = ", ".join(method.name for method, _, _ in self.parts)
            raise InputError(
                f"style_loss: unknown {checks.listed(map(checks.shown, unknown))}; "
                + (f"expected some of {', '.join(known)}" if known else f"{names} has no settings")
            )
        blend = Blend(
            tuple(
                (
                    method,
                    replace(variant, style_loss={**variant.style_loss, **{n: v for n, v in given.items() if n in own}}),
                    share,
                )
                for (method, variant, share), own in zip(self.parts, settings, strict=True)
            )
        )
        blend.terms()  # the losses check the values
        return blend

    def fitted(self, layers: Sequence[Layer]) -> "Blend":
        """Every variant on a network that has `layers`; see `Variant.fitted`."""
        return Blend(tuple((method, variant.fitted(layers), share) for method, variant, share in self.parts))

    def with_style_layers(self, read: Callable[[Callable[..., LayerWeights]], LayerWeights]) -> "Blend":
        """Every variant with other style layers: what `read` makes of the variant's way to weight a list of layers."""
        return Blend(
            tuple(
                (method, replace(variant, style_layers=read(variant.layer_weights)), share)
                for method, variant, share in self.parts
            )
        )

    def terms(self) -> "list[Term]":
        """The terms of all, each weighted by its method's share."""
        passes = self.variant.passes
        return [
            replace(
                term,
                weight=times(term.weight, share),
                from_pass=passes if term.from_pass > 1 else 1,  # what joins in the last pass does so in this run's
            )
            for method, variant, share in self.parts
            for term in method.terms(variant)
        ]
