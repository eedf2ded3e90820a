"""``thsafe publish``: the receipt for a platform."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import check_target, force_option, json_option, print_json
from thsafe.core.errors import StoreError

_PLATFORMS = ("youtube", "tiktok", "dv360", "meta")


@click.command(epilog="Example:\n\n\b\n  thsafe publish hello.mp4 --platform youtube")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--platform", type=click.Choice(_PLATFORMS), required=True, help="Where it will be shown.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default: FILE.PLATFORM.json beside the file.")
@force_option
@json_option
def publish(file: Path, platform: str, output: Path | None, force: bool, as_json: bool) -> None:
    """Measure FILE once more, log that it goes to a platform, and write a receipt with the platform's own AI flag.

    Nothing is uploaded: hand the flag over with your upload. A file that lost a mark, or whose consent has ended, is
    refused.
    """
    import json

    from thsafe.audit.html import write_text
    from thsafe.installation import Installation
    from thsafe.receipt import declare

    target = output or file.with_name(f"{file.name}.{platform}.json")
    check_target(target, force=force)
    receipt = declare(Installation.open(), file, platform)
    try:
        write_text(target, json.dumps(receipt, ensure_ascii=False, indent=2) + "\n")
    except StoreError as problem:
        # The entry stands: what is in the log stays there. Asked again, the file gets another one, and its receipt.
        problem.log = f"entry {receipt['log']['index']} says that the file was published; no receipt was written"
        raise
    if as_json:
        print_json(receipt)
        return
    flag = receipt["flag"]
    click.echo(f"receipt {target} (log entry {receipt['log']['index']})")
    click.echo(f"  set     {flag['field']} = {json.dumps(flag['value'])}" if flag["field"] else "  set     by hand")
    click.echo(f"  where   {flag['how']}")
