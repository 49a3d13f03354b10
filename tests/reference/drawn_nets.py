"""Whole small nets, drawn at random, that have gradients: branches and their sums, products and concatenations, weights
shared by name, layers in place, BatchNorm, and several losses with their weights."""

from __future__ import annotations

from hypothesis import strategies as st

ROWS, SIDE, CHANNELS = 3, 4, 2
UNARY = {
    "TanH": "", "Sigmoid": "", "ReLU": "relu_param { negative_slope: 0.3 }", "ELU": "", "AbsVal": "",
    "Power": "power_param { scale: 0.7 shift: 0.2 power: 2 }", "Scale": "scale_param { bias_term: true FILL }",
    "Bias": "", "PReLU": "", "BatchNorm": "batch_norm_param { eps: 0.1 }",
    "LRN": "lrn_param { local_size: 3 alpha: 0.5 }",
}  # fmt: skip
IN_PLACE = ("TanH", "Sigmoid", "ReLU", "ELU", "Scale")
FILL = 'filler { type: "gaussian" mean: 1 std: 0.3 }'


class Drawn:
    """The text of a net whose blobs are all [ROWS, CHANNELS, SIDE, SIDE], until its losses."""

    def __init__(self, draw):
        self.draw, self.layers, self.blobs, self.shared = draw, [], ["data"], 0
        shapes = f"shape {{ dim: {ROWS} dim: {CHANNELS} dim: {SIDE} dim: {SIDE} }}"
        self.layers.append(
            f'layer {{ name: "in" type: "Input" top: "data" top: "label" top: "target" input_param {{ {shapes} '
            f"shape {{ dim: {ROWS} }} {shapes} }} }}"
        )

    def add(self, kind, bottoms, top, rest=""):
        name = f"{kind.lower()}{len(self.layers)}"
        words = " ".join([*(f'bottom: "{bottom}"' for bottom in bottoms), f'top: "{top}"'])
        self.layers.append(f'layer {{ name: "{name}" type: "{kind}" {words} {rest} }}')

    def new(self):
        return f"b{len(self.layers)}"

    def choose(self):
        return self.draw(st.sampled_from(self.blobs))

    def convolution(self):
        """Of one of the blobs; its weights may be those of another one."""
        bottom, top = self.choose(), self.new()
        shared = 'param { name: "shared" }' if self.draw(st.booleans()) else ""
        weights = 'weight_filler { type: "gaussian" std: 0.4 }'
        fields = f"num_output: {CHANNELS} kernel_size: 3 pad: 1 {weights}"
        self.add("Convolution", [bottom], top, f"{shared} convolution_param {{ {fields} }}")
        self.blobs.append(top)

    def unary(self):
        """A convolution, over whose result the layer may work in place: nothing else has read it yet."""
        self.convolution()
        kind = self.draw(st.sampled_from(sorted(UNARY)))
        place = kind in IN_PLACE and self.draw(st.booleans())
        top = self.blobs[-1] if place else self.new()
        self.add(kind, [self.blobs[-1]], top, UNARY[kind].replace("FILL", FILL))
        self.blobs[-1] = top

    def joined(self):
        """A sum, a product or a maximum of two blobs, or both side by side, brought back to CHANNELS."""
        one, other, top = self.choose(), self.choose(), self.new()
        kind = self.draw(st.sampled_from(["SUM", "PROD", "MAX", "Concat"]))
        if kind == "Concat":
            self.add("Concat", [one, other], top)
            fields = f'num_output: {CHANNELS} kernel_size: 1 weight_filler {{ type: "gaussian" std: 0.4 }}'
            last = self.new()
            self.add("Convolution", [top], last, f"convolution_param {{ {fields} }}")
            top = last
        else:
            coefficients = "coeff: 0.5 coeff: -1" if kind == "SUM" and self.draw(st.booleans()) else ""
            self.add("Eltwise", [one, other], top, f"eltwise_param {{ operation: {kind} {coefficients} }}")
        self.blobs.append(top)

    def pooled(self):
        bottom, top = self.choose(), self.new()
        kind = self.draw(st.sampled_from(["AVE", "MAX"]))
        self.add("Pooling", [bottom], top, f"pooling_param {{ pool: {kind} kernel_size: 3 stride: 1 pad: 1 }}")
        self.blobs.append(top)

    def loss(self):
        weight = f"loss_weight: {self.draw(st.sampled_from([0.5, 1, 2]))}"
        kind = self.draw(st.sampled_from(["softmax", "euclidean", "sum"]))
        bottom = self.choose()
        if kind == "softmax":
            scores = self.new()
            fields = 'num_output: 3 weight_filler { type: "gaussian" std: 0.3 }'
            self.add("InnerProduct", [bottom], scores, f"inner_product_param {{ {fields} }}")
            self.add("SoftmaxWithLoss", [scores, "label"], self.new(), weight)
        elif kind == "euclidean":
            self.add("EuclideanLoss", [bottom, "target"], self.new(), weight)
        else:
            self.add("Reduction", [bottom], self.new(), f"{weight} reduction_param {{ operation: SUMSQ coeff: 0.1 }}")


@st.composite
def nets(draw):
    drawn = Drawn(draw)
    drawn.convolution()
    for _ in range(draw(st.integers(1, 5))):
        getattr(drawn, draw(st.sampled_from(["convolution", "unary", "joined", "pooled"])))()
    for _ in range(draw(st.integers(1, 3))):
        drawn.loss()
    return "\n".join(drawn.layers)
