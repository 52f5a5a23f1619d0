"""The baseline of `bench.http`: a bare Flask view on the same server. Prints its port and serves until it is told to stop."""

from gevent import monkey

monkey.patch_all()

from flask import Flask, Response  # noqa: E402
from flask_socketio import SocketIO  # noqa: E402
from gevent.event import Event  # noqa: E402

from web.server import serve  # noqa: E402


def main() -> None:
    """One view, the same bytes as `/healthz`."""
    app = Flask("bare")

    @app.get("/healthz")
    def healthz() -> Response:
        return Response(b'{"status":"ok"}', mimetype="application/json")

    SocketIO(app, async_mode="gevent")
    server = serve(app, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.port}/", flush=True)
    Event().wait()


if __name__ == "__main__":
    main()
