"""`app` for any WSGI server, with the settings of the environment: `gunicorn -k gevent wsgi:app`, `flask --app wsgi run`.

Opening it takes the data folder, so one process has it: a second worker is refused with a sentence that says who does.
HTTP and jobs run under every server. Live sockets need one that lets gevent patch the standard library before it loads
this (gunicorn's gevent workers do): elsewhere `/socket.io/` is not there. `offshelf serve` is the same app with all of it.
"""

from __future__ import annotations

import os

from kernel.config import read_settings
from web.process import hosted

app = hosted(read_settings(os.environ))
