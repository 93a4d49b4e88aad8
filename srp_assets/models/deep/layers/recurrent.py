"""How interests evolve: the recurrent layer of DIEN whose update gate is the attention."""

import torch
from torch import Tensor, nn


class AttentionalRecurrent(nn.Module):
    """A gated recurrent layer that moves its state only as far as a behaviour has to do with the candidate (AUGRU).

    u_t = sigmoid(W_u x_t + U_u h_{t-1} + b_u), r_t likewise; n_t = tanh(W_n x_t + r_t * (U_n h_{t-1} + c_n) + b_n);
    h_t = (1 - a_t u_t) h_{t-1} + a_t u_t n_t. G. Zhou et al., "Deep Interest Evolution Network", AAAI 2019 (equations 2 to 5 and 13 to 14).

    A behaviour that is padding has the attention 0 and changes nothing, so the last state is that after the last behaviour.

    Args:
        width: of each behaviour.
        state: of the state.
    """

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        self.of_input = nn.Linear(width, 3 * state)
        self.of_state = nn.Linear(state, 3 * state)
        self.state = state

    def forward(self, x: Tensor, attention: Tensor) -> Tensor:
        """The state after the last behaviour, (B, state).

        Args:
            x: (B, L, width), the oldest first.
            attention: (B, L), 0 to 1.
        """
        from_input = self.of_input(x)
        state = x.new_zeros(x.shape[0], self.state)
        for step in range(x.shape[1]):
            update_x, reset_x, new_x = from_input[:, step].chunk(3, dim=-1)
            update_h, reset_h, new_h = self.of_state(state).chunk(3, dim=-1)
            update = torch.sigmoid(update_x + update_h) * attention[:, step, None]
            new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
            state = torch.lerp(state, new.to(state.dtype), update.to(state.dtype))
        return state
