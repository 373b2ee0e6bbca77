"""``python -m sandbox``: options first, ``SANDBOX_*`` as their fallback, the platform key from there only.

The key may lie in a file, too, which SANDBOX_PLATFORM_KEY_FILE names.
"""

import argparse
import os
import sys
from pathlib import Path

from sandbox.server import run
from sandbox.world import Config


def _options() -> argparse.Namespace:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A pretend payment company.")
    parser.add_argument("--host", default=env("SANDBOX_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(env("SANDBOX_PORT", "8090")))
    parser.add_argument("--control-port", type=int, default=int(env("SANDBOX_CONTROL_PORT", "8091")))
    parser.add_argument("--data-dir", type=Path, default=Path(env("SANDBOX_DATA_DIR", ".paysaga/sandbox")))
    parser.add_argument("--public-url", default=env("SANDBOX_PUBLIC_URL"), help="default: http://HOST:PORT")
    parser.add_argument(
        "--webhook-url",
        default=env("SANDBOX_WEBHOOK_URL"),
        help="where events go unless an account has its own address; {provider} and {account} are filled in",
    )
    parser.add_argument(
        "--time-scale",
        type=float,
        default=float(env("SANDBOX_TIME_SCALE", "1")),
        help="divides the sandbox's own delays; webhook retries stay at least 1 s apart",
    )
    return parser.parse_args()


def _platform_key() -> str:
    file = os.environ.get("SANDBOX_PLATFORM_KEY_FILE")
    said = os.environ.pop("SANDBOX_PLATFORM_KEY", "")
    return said or (Path(file).read_text().strip() if file else "")


def main() -> int:
    """Run until told to stop; 2 when the settings cannot work."""
    options = _options()
    config = Config(
        host=options.host,
        port=options.port,
        control_port=options.control_port,
        data_dir=options.data_dir,
        public_url=(options.public_url or f"http://{options.host}:{options.port}").rstrip("/"),
        webhook_url=options.webhook_url,
        time_scale=options.time_scale,
        platform_key=_platform_key(),
    )
    try:
        config.check()
    except ValueError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    run(config)
    return 0


if __name__ == "__main__":
    sys.exit(main())
