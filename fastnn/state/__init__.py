"""State from which a training continues, and the history that it leaves.

- `training_state`: what `fit(resume=True)` continues from, and the best epoch.
- `history`: losses and counts, and the error if a training diverged.
"""
