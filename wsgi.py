"""`app` for any WSGI server, with the settings of the environment: `gunicorn -k gevent wsgi:app`, `flask --app wsgi run`.

Opening it takes the data folder, so one process has it: a second worker is refused with a sentence that says who does.
HTTP and jobs run under every server. Live sockets need one that lets gevent patch the standard library before it loads
this (gunicorn's gevent workers do): elsewhere `/socket.io/` is not there. `offshelf serve` is the same app with all of it.
"""

from __future__ import annotations

import os
import sys

from kernel.config import read_settings
from kernel.errors import AppError, SettingError
from web.process import hosted

GIVE_UP = 4
"""gunicorn starts a worker again and again unless it ends with this."""

try:
    app = hosted(read_settings(os.environ))
except (SettingError, AppError) as error:
    print(f"offshelf: {error}", file=sys.stderr, flush=True)
    sys.exit(GIVE_UP if "gunicorn" in sys.modules else 2)
