"""Batches: requests that wait are answered together, in one call of the networks.

While a thread predicts a batch, the requests that arrive form the next one. So a request never
waits for others to arrive, and the batches grow with the load.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ..web.requests import RequestError

MAX_BATCH_ROWS = 20_000  # a single request may have more


class Batches:
    """Answers requests in batches.

    Parameters
    ----------
    predict : callable
        predict(requests) returns the answers of a list of requests. It is called in a thread. If it
        raises an error, each request is predicted alone, so that only the wrong ones fail.
    max_waiting : int
        Number of rows that may wait. Further requests get status 503.
    """

    def __init__(self, predict, max_waiting):
        self._predict, self._max_waiting = predict, max_waiting
        self._waiting: list = []  # (number of rows, request, future)
        self._n_waiting = 0  # rows
        self._task = None
        self._pool = ThreadPoolExecutor(1, "fastnn-predict")

    async def answer(self, request, n_rows):
        """Return the answer of a request. Raise the error of `predict` for it."""
        if self._n_waiting and self._n_waiting + n_rows > self._max_waiting:
            raise RequestError(
                503,
                f"{self._n_waiting:,} rows wait already. Try again in a second.",
                headers={"Retry-After": "1"},
            )
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((n_rows, request, future))
        self._n_waiting += n_rows
        if self._task is None:
            self._task = asyncio.create_task(self._answer_all())
        return await future

    async def in_thread(self, function, *arguments):
        """Return function(*arguments), called in the thread of the predictions."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def _answer_all(self):
        try:
            while self._waiting:
                batch = self._take()
                answers = await self.in_thread(self._answers, [request for _, request, _ in batch])
                for (n_rows, _, future), answer in zip(batch, answers):
                    self._n_waiting -= n_rows
                    if future.done():  # the client has gone
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._task = None

    def _take(self):
        """Return the next batch: the first request, and others as long as there is room."""
        n = 1
        total = self._waiting[0][0]
        while n < len(self._waiting) and total + self._waiting[n][0] <= MAX_BATCH_ROWS:
            total += self._waiting[n][0]
            n += 1
        batch, self._waiting = self._waiting[:n], self._waiting[n:]
        return batch

    def _answers(self, requests):
        """Return the answer of each request, or its error."""
        try:
            return self._predict(requests)
        except Exception as error:
            if len(requests) == 1:
                return [error]
            return [answer for request in requests for answer in self._answers([request])]
