"""How a plan is applied: a pure machine that decides, and a pump that carries out what it decided."""
