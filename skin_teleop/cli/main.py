"""Entry point of `skin-teleop`: find the verb, run it, turn errors into one clear sentence."""

from __future__ import annotations

import argparse
import logging
import sys

from skin_teleop.cli.verbs import VERBS
from skin_teleop.errors import SkinTeleopError


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skin-teleop", description="Tactile-skin teleoperation: drive, record, label, pretrain."
    )
    parser.add_argument("--verbose", action="store_true", help="log what each part does, with tracebacks")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        sub = verbs.add_parser(
            verb.name,
            help=verb.help,
            description=verb.help[0].upper() + verb.help[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        if verb.name == chosen:
            verb.load().configure(sub)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; exit code 0 only on success."""
    words = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in words if not word.startswith("-")), None)
    options = _parser(chosen).parse_args(words)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    logging.getLogger("zarr").setLevel(logging.WARNING)  # its debug lines bury ours
    verb = next(v for v in VERBS if v.name == options.verb)
    try:
        return verb.load().run(options)
    except SkinTeleopError as error:
        if options.verbose:
            logging.getLogger(__name__).exception("%s failed", options.verb)
        print(f"skin-teleop {options.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"skin-teleop {options.verb}: stopped by the user", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
