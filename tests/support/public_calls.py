"""Public calls, each as a function of one array, whose other arguments fit it."""

import numpy as np

import fastnn
from fastnn import MLP
from fastnn import functional as F

N, K = 6, 4  # the shape of the array; that of FLAT is (N,)


def net(output="sigmoid", n_out=1):
    return MLP([K, 3, n_out], output=output, rng=0)


def plain(n, k=K):
    return np.random.default_rng(1).uniform(0.1, 0.9, (n, k))


def trained(X, y=None, **options):
    made = net(n_out=1)
    y = plain(len(X), 1) if y is None else y
    losses = made.fit(X, y, epochs=2, batch_size=4, shuffle=False, **options).loss
    return made.params, losses


def partial(X):
    made = net()
    made.partial_fit(X, plain(len(X), 1))
    return made.params


def gradients(X, y=None, weights=None):
    made = net()
    y = plain(len(X), 1) if y is None else y
    return made.loss_and_grad(X, y, "mse", weights), made.grads


def backward(dY):
    made = net(n_out=K)
    made.forward(plain(N), keep=True)
    return made.backward(dY), made.grads


def of_many(X):
    return fastnn.forward_many([net(), net()], X)


def fit_of_many(X):
    nets = [net(), net()]
    fastnn.fit_many(nets, X, plain(len(X), 1), epochs=2)
    return [made.params for made in nets]


def stepped(grads):
    params = np.ones((N, K))
    F.sgd_step_(params, grads, 0.1)
    return params


def classifier(X):
    return fastnn.MLPClassifier((3,), max_iter=2, random_state=0).fit(X, np.arange(len(X)) % 2)


def regressor(X, y=None):
    made = fastnn.MLPRegressor((3,), max_iter=2, random_state=0)
    return made.fit(X, plain(len(X), 1)[:, 0] if y is None else y)


CALLS = {
    "forward": lambda X: net().forward(X),
    "jacobian": lambda X: net().jacobian(X),
    "laplacian": lambda X: net("exponential").laplacian(X),
    "jvp, V": lambda V: net().jvp(plain(N), V),
    "vjp, U": lambda U: net("softmax", K).vjp(plain(N), U),
    "hvp": lambda X: (made := net()).hvp(X, plain(len(X), 1), made.params),
    "loss": lambda X: net().loss(X, plain(len(X), 1)),
    "loss, y": lambda y: net(n_out=K).loss(plain(N), y),
    "loss_and_grad": gradients,
    "loss_and_grad, y": lambda y: net("identity", K).loss_and_grad(plain(N), y, "mse"),
    "loss_and_grad, sample_weight": lambda w: gradients(plain(N), None, w),
    "backward": backward,
    "fit": trained,
    "fit, y": lambda y: net(n_out=K).fit(plain(N), y, epochs=2).loss,
    "fit, sample_weight": lambda w: trained(plain(N), sample_weight=w),
    "fit, validation data": lambda X: trained(plain(N), validation_data=(X, plain(len(X), 1))),
    "partial_fit": partial,
    "forward_many": of_many,
    "fit_many": fit_of_many,
    "linear, X": lambda X: F.linear(X, plain(K, 3), activation="tanh"),
    "linear, W": lambda W: F.linear(plain(3, N), W),
    "linear, b": lambda b: F.linear(plain(3), plain(K, N), b),
    "linear_backward, dY": lambda dY: F.linear_backward(
        dY, plain(N, 3), plain(3, K), None, plain(N, K), "sigmoid"
    ),
    "linear_backward, X": lambda X: F.linear_backward(
        plain(len(X), 3), X, plain(K, 3), None, plain(len(X), 3), "sigmoid"
    ),
    "activation": lambda Z: F.activation(Z, "gelu"),
    "activation, softmax": lambda Z: F.activation(Z, "softmax"),
    "activation_backward, softmax": lambda Z: F.activation_backward(plain(N), Z, "softmax"),
    "activation_backward, dA": lambda dA: F.activation_backward(dA, plain(N), "silu"),
    "activation_backward, Z": lambda Z: F.activation_backward(plain(N), Z, "silu"),
    "binary_cross_entropy": lambda Y: F.binary_cross_entropy(Y, plain(N)),
    "binary_cross_entropy, y": lambda y: F.binary_cross_entropy(plain(N), y),
    "binary_cross_entropy_with_logits": lambda Z: F.binary_cross_entropy_with_logits(Z, plain(N)),
    "cross_entropy": lambda Z: F.cross_entropy(Z, np.arange(len(Z)) % K),
    "mean_squared_error": lambda Y: F.mean_squared_error(Y, plain(N)),
    "mean_squared_error, y": lambda y: F.mean_squared_error(plain(N), y),
    "mean_absolute_error": lambda Y: F.mean_absolute_error(Y, plain(N)),
    "huber": lambda Y: F.huber(Y, plain(N)),
    "log_cosh": lambda Y: F.log_cosh(Y, plain(N)),
    "quantile": lambda Y: F.quantile(Y, plain(N)),
    "poisson_nll": lambda Z: F.poisson_nll(Z, plain(N)),
    "gaussian_nll": lambda Y: F.gaussian_nll(Y, plain(N, 2)),
    "sgd_step_, grads": stepped,
    "MLPClassifier.fit": lambda X: classifier(X).coefs_,
    "MLPClassifier.predict_proba": lambda X: classifier(plain(N)).predict_proba(X),
    "MLPRegressor.fit": lambda X: regressor(X).coefs_,
    "MLPRegressor.fit, y": lambda y: regressor(plain(N), y).coefs_,
    "MLPRegressor.predict": lambda X: regressor(plain(N)).predict(X),
}
FLAT = {"loss_and_grad, sample_weight", "fit, sample_weight", "linear, b"}
