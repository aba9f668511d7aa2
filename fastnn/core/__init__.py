"""Checks, messages and errors that all parts of fastnn share.

- `validation`: checks of arguments. `sparse_rows`: those of sparse matrices.
- `messages`, `errors`: the words of messages, and errors about the user's data.
- `foreign_names`: names of other libraries, and what to write here.
- `options`: the base class of losses, optimizers and schedules, and attributes that are computed
  once. `lazy`: classes whose modules are imported on use. `notebook`: HTML for notebooks.
- `draws`: draws of random numbers that a signal cannot separate from their use.
- `weight_bounds`: bounds of the weights of a network.
- `threads`: numbers of threads. `memory`: what is left of it.
- `model_facts`: the description that a model gives of itself.
"""
