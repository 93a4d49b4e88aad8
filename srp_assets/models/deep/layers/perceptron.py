"""The multilayer perceptron that all deep models share."""

from torch import Tensor, nn

from srp_assets.models.config.architectures import Activation
from srp_assets.models.deep.layers.dice import Dice


def activation_of(name: Activation, width: int) -> nn.Module:
    """A new layer of an activation."""
    if name == "dice":
        return Dice(width)
    if name == "prelu":
        return nn.PReLU(width)
    if name == "relu":
        # In place: it always follows a linear layer, whose gradient does not need its output.
        return nn.ReLU(inplace=True)
    return nn.Sigmoid() if name == "sigmoid" else nn.Tanh()


class Perceptron(nn.Module):
    """Layers of a(W x + b), with dropout after each.

    Args:
        width: of the input.
        hidden: of each layer.
        activation: after each layer.
        dropout: share of outputs that training leaves out.
    """

    def __init__(self, width: int, hidden: tuple[int, ...], activation: Activation = "relu", dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((width, *hidden)[:-1], hidden, strict=True):
            linear = nn.Linear(before, after)
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
            layers += [linear, activation_of(activation, after)]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers)
        self.output_width = hidden[-1] if hidden else width

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) to (B, last of hidden)."""
        return self.layers(x)
