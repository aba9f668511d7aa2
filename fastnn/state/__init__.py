"""What a training continues from and what it leaves.

- `training_state`: what `fit(resume=True)` continues from, and the best epoch.
- `history`: losses and counts, and the error if a training diverged.
"""
