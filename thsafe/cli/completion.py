"""``thsafe completion SHELL``: prints what makes the shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe completion bash > ~/.local/share/bash-completion/completions/thsafe\n"
        "  thsafe completion zsh > ~/.zfunc/_thsafe\n"
        "  thsafe completion fish > ~/.config/fish/completions/thsafe.fish"
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion(shell: str) -> None:
    """Print the completion script for your shell."""
    from thsafe.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click cannot complete in {shell}")
    click.echo(found(cli, {}, "thsafe", "_THSAFE_COMPLETE").source())
