"""``thsafe resolve``: the manifest store for other programs on this machine."""

from __future__ import annotations

import click


@click.group()
def resolve() -> None:
    """Answer other programs that ask which manifest a mark leads to."""


@resolve.command(epilog="Example:\n\n\b\n  thsafe resolve serve --port 8160")
@click.option("--port", type=click.IntRange(1, 65535), default=8160, show_default=True)
def serve(port: int) -> None:
    """Serve the C2PA Soft Binding Resolution API on 127.0.0.1 until interrupted: reading only, nothing personal."""
    import socket

    from thsafe.core.errors import MissingError, StoreError
    from thsafe.home import Home

    try:
        import uvicorn

        from thsafe.web.resolution import resolution_app
    except ImportError as problem:
        raise MissingError(
            "The web parts are not installed.",
            code="missing.web",
            found=str(problem),
            next_step='pip install "thsafe[web]"',
        ) from problem
    app = resolution_app(Home.default())
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as problem:
            raise StoreError(
                f"Port {port} cannot be used.",
                code="resolve.port",
                found=str(problem),
                next_step="choose another: --port 8161",
            ) from problem
    click.echo(f"soft bindings resolved at http://127.0.0.1:{port}/ (Ctrl-C ends)", err=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
