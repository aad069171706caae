"""A receiver that can be killed: it writes down what comes before it answers, some time before and some time after."""

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SLOW_S = 0.03
_lock = threading.Lock()


def serve(port: int, path: Path) -> None:
    """Append each request to `path`, one JSON object a line: path, id (`webhook-id`), body."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with path.open("ab", buffering=0) as file:

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                time.sleep(random.uniform(0, SLOW_S))
                line = {"path": self.path, "id": self.headers.get("webhook-id", ""), "body": body}
                with _lock:
                    file.write(json.dumps(line).encode() + b"\n")
                time.sleep(random.uniform(0, SLOW_S))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
