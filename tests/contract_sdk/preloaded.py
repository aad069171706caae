"""The shop under a server that loads the app once and then forks its workers, as `gunicorn --preload` does."""

import os
import signal
import socket

import uvicorn
from shop import app

WORKERS = 2


def serve(shared: socket.socket) -> None:
    uvicorn.Server(uvicorn.Config(app)).run(sockets=[shared])


def main() -> None:
    shared = socket.socket()
    shared.bind(("127.0.0.1", 0))
    shared.listen(64)
    workers = []
    for _ in range(WORKERS):
        worker = os.fork()
        if worker == 0:
            serve(shared)
            raise SystemExit
        workers.append(worker)

    def stop(*_: object) -> None:
        for worker in workers:
            os.kill(worker, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    print(f"running on http://127.0.0.1:{shared.getsockname()[1]}", flush=True)
    for worker in workers:
        os.waitpid(worker, 0)


if __name__ == "__main__":
    main()
