"""Programs as plain data: frozen dataclasses that print as Python, and build a module each.

A recipe is drawn from a `Source`, so that a random generator and Hypothesis walk one grammar. Its numbers are indices
that are taken modulo what there is to choose from: every recipe is valid, and so is every smaller one. All that a printed
recipe names is here.
"""

from .around import OPERATORS_AROUND
from .aten import Aten
from .attention import Attention
from .experts import Experts
from .flow import Block, FlowRecipe, flow_recipe
from .fused import Attend, Copy, FusedRecipe, Gemm, Map, Product, RegionOp, fused_recipe
from .integers import IntegerOp, Integers, Logic
from .layout import LayoutRecipe, View, layout_recipe
from .norms import Activation, Norm, Softmax
from .pointwise import Chain, Mixture, Pointwise
from .quantised import Quantised
from .source import RandomSource, Source
from .steps import (
    Binary,
    Cast,
    Choice,
    Column,
    Gated,
    Given,
    Linear,
    Mixed,
    Positions,
    Reduction,
    Scalar,
    Selected,
    Viewed,
)
from .tile import TileOp, TileRecipe, tile_recipe
from .writes import Overwritten

__all__ = [
    "OPERATORS_AROUND", "Activation", "Aten", "Attend", "Attention", "Binary", "Block", "Cast", "Chain", "Choice", "Column",
    "Copy", "Experts", "FlowRecipe", "FusedRecipe", "Gated", "Gemm", "Given", "IntegerOp", "Integers", "LayoutRecipe",
    "Linear", "Logic", "Map", "Mixed", "Mixture", "Norm", "Overwritten", "Pointwise", "Positions", "Product", "Quantised",
    "RandomSource", "Reduction", "RegionOp", "Scalar", "Selected", "Softmax", "Source", "TileOp", "TileRecipe", "View",
    "Viewed", "flow_recipe", "fused_recipe", "layout_recipe", "tile_recipe",
]  # fmt: skip
