"""From a trained version to one that serves: the gate, the plan, the move and the way back."""
